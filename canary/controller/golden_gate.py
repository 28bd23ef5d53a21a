"""The golden gate: before its first live request a canary must fill masks no worse than the stable.

Asking takes seconds, so it is done aside; the controller meanwhile holds. A controller that is killed asks
again, which changes nothing.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from canary.controller.ports import Review
from canary.controller.world import as_judged
from canary.judge.golden import FLOOR, TOP, GoldenResult, Hit, compare
from canary.rollout.decision import Action, Decision
from canary.rollout.model import Phase, Rollout
from canary.rollout.state import State
from modelstore.errors import BadGolden
from modelstore.golden import Sentence

TRIES: Final = 5
BETWEEN_S: Final = 1.0
REASON: Final = "gate:golden"


class Candidates(Protocol):
    """Asks a version through the gateway, pinned by its header."""

    @property
    def trouble(self) -> str:
        """Why what was asked last had no answer; empty if it had one."""

    def fill(self, version: str, texts: Sequence[str], top: int) -> Sequence[tuple[str, ...] | None]:
        """Return the best ``top`` tokens for the mask of each text; None where there was no answer."""


Find = Callable[[Rollout], Sequence[Sentence]]
"""Returns the golden set of a rollout, empty if it has none; raises BadGolden."""


def ask_both(
    candidates: Candidates, rollout: Rollout, sentences: Sequence[Sentence], sleep: Callable[[float], None]
) -> GoldenResult:
    """Ask both versions, several times if too little is answered: a new route may need a moment."""
    result = compare((), (), FLOOR)
    for attempt in range(TRIES):
        if attempt:
            sleep(BETWEEN_S)
        stable, canary = (
            _hits(candidates, version, sentences) for version in (rollout.stable, rollout.canary)
        )
        result = compare(stable, canary)
        if result.answered:
            break
    return result


def _hits(candidates: Candidates, version: str, sentences: Sequence[Sentence]) -> list[Hit]:
    found = candidates.fill(version, [sentence.text for sentence in sentences], TOP)
    return [
        None if tokens is None else not set(sentence.answers).isdisjoint(tokens)
        for sentence, tokens in zip(sentences, found, strict=True)
    ]


@dataclass
class GoldenGate:
    """Puts the golden set before the first weight of each rollout; anything else it leaves to ``then``.

    ``floor`` is the share of the set that both versions must answer.
    """

    candidates: Candidates
    find: Find
    then: Review = as_judged
    executor: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="golden"))
    sleep: Callable[[float], None] = time.sleep
    floor: float = FLOOR
    _asked: dict[str, Future[GoldenResult]] = field(default_factory=dict, init=False)

    def __call__(self, state: State, decision: Decision, now: float) -> tuple[State, Decision]:
        """Return what is done about a decision: a hold while both versions are asked, or the end."""
        rollout = state.active
        advances = decision.action is Action.ADVANCE and rollout is not None and not rollout.undo
        if rollout is None or rollout.acting is not Phase.REHEARSING or not advances:
            return self.then(state, decision, now)
        answer = self._answer(rollout, decision)
        return self.then(state, answer, now) if answer.action is Action.ADVANCE else (state, answer)

    def _answer(self, rollout: Rollout, decision: Decision) -> Decision:
        try:
            sentences = self.find(rollout)
        except BadGolden as error:
            return Decision(Action.FAIL, REASON, str(error))
        if not sentences:
            return decision
        result, trouble = self._result(rollout, sentences), self.candidates.trouble
        if result is None:
            words = f"golden set: asking {len(sentences)} sentences of {rollout.stable} and {rollout.canary}"
            why = f"; no answer yet: {trouble}" if trouble else ""
            return Decision(Action.HOLD, REASON, words + why)
        known = replace(decision, golden=result)
        if not result.passed:
            why = f"; {trouble}" if trouble and not result.answered else ""
            return replace(known, action=Action.FAIL, reason=REASON, sentence=f"{result}{why}")
        return replace(known, sentence=f"{decision.sentence}; {result}")

    def _result(self, rollout: Rollout, sentences: Sequence[Sentence]) -> GoldenResult | None:
        asked = self._asked.get(rollout.id)
        if asked is None:
            asked = self.executor.submit(ask_both, self.candidates, rollout, sentences, self.sleep)
            self._asked = {rollout.id: asked}
        return replace(asked.result(), floor=self.floor) if asked.done() else None

"""Gates: what must say yes before a rollout moves on, besides the evidence; pure but for one port.

A decision of the judge to advance is put before them. A manual gate turns it into a pause, a webhook into a
hold until it has answered; a no sends the traffic back. What was asked is part of the controller's state, so
that a restart asks nobody twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from canary.judge.formatting import duration
from canary.resource.gates import Gates, Webhook
from canary.rollout.decision import Action, Decision
from canary.rollout.model import Phase, Rollout
from canary.rollout.state import GateAsked, State
from canary.views.rollout import numbers

UNJUDGED = frozenset({"metrics_down", "no_data"})
MANUAL = "manual"


class Reply(StrEnum):
    """What somebody else says."""

    YES = "yes"
    NO = "no"
    SILENCE = "silence"


class Webhooks(Protocol):
    """Asks others without keeping the controller waiting."""

    def ask(self, webhook: Webhook, point: str, question: Mapping[str, Any]) -> tuple[Reply, str]:
        """Return the answer that is there by now, and its words; silence while there is none."""


@dataclass(frozen=True)
class Question:
    """A decision that is put before a gate."""

    state: State
    rollout: Rollout
    decision: Decision
    now: float

    def asked(self, gate: str) -> GateAsked:
        """Return what is known of a gate at this point of the rollout."""
        point = f"{self.rollout.id}/{self.rollout.step}/{gate}"
        known = (asked for asked in self.state.gates if asked.point == point)
        return next(known, GateAsked(point, self.now))

    def noted(self, asked: GateAsked) -> State:
        """Return the state that remembers it, and forgets those of former rollouts."""
        mine = (old for old in self.state.gates if old.point.startswith(f"{self.rollout.id}/"))
        return replace(self.state, gates=(*(old for old in mine if old.point != asked.point), asked))

    @property
    def document(self) -> dict[str, Any]:
        """What a webhook is told."""
        return {
            "rollout": self.rollout.id,
            "stable": self.rollout.stable,
            "canary": self.rollout.canary,
            "phase": self.rollout.phase.value,
            "step": self.rollout.step + 1,
            "weight": self.rollout.weight,
            "verdict": self.decision.sentence,
            "numbers": numbers(self.decision),
        }


@dataclass(frozen=True)
class GateKeeper:
    """The gates of one ModelRollout, its pauses between steps, and its deadline.

    ``about`` says to webhooks which one it is.
    """

    gates: Gates
    webhooks: Webhooks
    about: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, state: State, decision: Decision, now: float) -> tuple[State, Decision]:
        """Return what is done about a decision, and the state that knows whom it asked."""
        rollout = state.active
        if rollout is None or rollout.undo or decision.action not in {Action.ADVANCE, Action.HOLD}:
            return state, decision
        if decision.action is Action.HOLD:
            return state, self._late(rollout, decision, now) or decision
        for gate in self._gates(rollout):
            state, stopped = self._ask(Question(state, rollout, decision, now), gate)
            if stopped:
                late = self._late(rollout, stopped, now) if stopped.action is Action.HOLD else None
                return state, late or stopped
        return state, decision

    def _gates(self, rollout: Rollout) -> Iterator[Webhook | str]:
        """Yield those before the next move: webhooks first, for a person should be asked last."""
        when = occasions(rollout)
        yield from (webhook for webhook in self.gates.webhooks if webhook.when in when)
        if when & set(self.gates.manual) or (when and rollout.pauses):
            yield MANUAL

    def _ask(self, question: "Question", gate: Webhook | str) -> tuple[State, Decision | None]:
        """Return the state after asking, and what is done instead unless the answer was yes."""
        name = gate if isinstance(gate, str) else gate.name
        asked = question.asked(name)
        if asked.passed:
            return question.state, None
        if isinstance(gate, str):
            # Only a person's word ends the pause, so that the gate is open whenever it is met again.
            return question.noted(replace(asked, passed=True)), _pause(question.decision)
        reply, words = self.webhooks.ask(gate, asked.point, {**self.about, **question.document})
        if reply is Reply.YES:
            return question.noted(replace(asked, passed=True)), None
        waited = question.now - asked.since
        if reply is Reply.SILENCE and waited < gate.patience_s:
            sentence = f"gate {name} has not answered yet{_why(words)}; asked for {duration(waited)}"
            return question.noted(asked), Decision(Action.HOLD, f"gate:{name}", sentence)
        said = f"gate {name} said no{_why(words)}" if reply is Reply.NO else f"gate {name} stayed silent"
        way = Action.ROLL_BACK if question.rollout.weighted else Action.FAIL
        return question.state, Decision(way, f"gate:{name}", f"{said}: all traffic goes to the stable")

    def _late(self, rollout: Rollout, decision: Decision, now: float) -> Decision | None:
        """Return the end of a rollout that has not moved; not while people or metrics are awaited."""
        stood, deadline_s = now - rollout.phase_since, rollout.profile.progress_deadline_s
        if rollout.phase is Phase.PAUSED or decision.reason in UNJUDGED or stood < deadline_s:
            return None
        sentence = (
            f"no step for {duration(stood)}, progressDeadline is {duration(deadline_s)}: all traffic "
            f"goes to the stable; last was: {decision.sentence}"
        )
        return Decision(Action.FAIL, "progress_deadline", sentence, report=decision.report)


def occasions(rollout: Rollout) -> set[str]:
    """Return which gates stand before the next move; the end of the bake has none."""
    match rollout.acting:
        case Phase.REHEARSING:
            return {"BeforeTraffic", "BeforeStep"}
        case Phase.PROGRESSING:
            last = rollout.step + 1 >= len(rollout.profile.steps)
            return {"BeforeStep", "BeforePromotion"} if last else {"BeforeStep"}
        case _:
            return set()


def _pause(decision: Decision) -> Decision:
    sentence = f"waits for a person to resume it; it would go on: {decision.sentence}"
    return replace(decision, action=Action.PAUSE, reason="gate:manual", sentence=sentence)


def _why(words: str) -> str:
    return f" ({words})" if words else ""

"""What is still needed before a rollout may move on; pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from canary.judge import formatting, sentences
from canary.judge.claims import Forecast, claims, forecast, granted
from canary.judge.rules import must_be_proved
from canary.rollout.model import Phase, Rollout
from canary.rollout.state import State
from canary.views.runs import Run

UNKNOWN: Final = "-"


@dataclass(frozen=True)
class Need:
    """What a metric still needs: a forecast (None: no end in sight), and a sentence.

    ``left_s`` is after how many seconds something that is proved already will do (None: nothing is).
    """

    foreseen: Forecast | None
    sentence: str
    left_s: float | None = None


@dataclass(frozen=True)
class Needed:
    """What is still needed before the next step: a number or a word, and a sentence."""

    amount: str
    words: str


def needs(run: Run, state: State) -> Iterator[tuple[str, Need]]:
    """Yield what each metric still needs that is not proved yet."""
    rollout, ledger = run.rollout, state.ledger
    if rollout is None or rollout.ended or not state.stage.judged or ledger is None or state.stage.baking:
        return
    profile, elapsed = rollout.profile, _elapsed(state)
    for metric, known in zip(profile.metrics, ledger.metrics, strict=True):
        wanted = claims(known, metric, profile, state.stage)
        if not must_be_proved(metric, known, state.stage) or granted(wanted, elapsed):
            continue
        waiting = next((claim for claim in wanted if claim.proved), None)
        candidates = wanted[:1] if waiting else wanted
        foreseen = [(claim, forecast(claim, known, state.stage, profile.phi_max)) for claim in candidates]
        claim, soonest = min(foreseen, key=lambda pair: pair[1].requests if pair[1] else math.inf)
        sentence = sentences.need(metric, claim, soonest)
        if waiting is None:
            yield metric.name, Need(soonest, sentence)
            continue
        left = waiting.valid_from_s - elapsed
        enough = f"proved not worse than {waiting.margin}, which is enough in {formatting.duration(left)}"
        yield metric.name, Need(soonest, f"{sentence}; {enough}", left)


def _elapsed(state: State) -> float:
    """Return for how long the present weight has been judged (seconds)."""
    return 0.0 if state.live_since is None or state.ticked_at is None else state.ticked_at - state.live_since


def needed(run: Run, open_ones: Mapping[str, Need]) -> Needed:
    """Return what the whole rollout still needs."""
    rollout = run.rollout
    if run.ended or rollout is None:
        return Needed("Nothing", "this rollout is over")
    if not rollout.stage.judged:
        return Needed(UNKNOWN, "the canary gets no traffic yet")
    if rollout.acting is Phase.BAKING:
        length = formatting.duration(rollout.profile.bake_s)
        return Needed("Time", f"it bakes for {length} with the old stable warm")
    return _slowest(list(open_ones.values())) if open_ones else _proved(rollout)


def _proved(rollout: Rollout) -> Needed:
    if rollout.phase is Phase.PAUSED:
        return Needed("A person", "every metric is proved; somebody has to resume it")
    return Needed("Nothing", "every metric is proved; what is left is time")


def _slowest(known: Sequence[Need]) -> Needed:
    """Return what the metric needs that takes longest."""
    last = max(known, key=lambda need: need.foreseen.requests if need.foreseen else math.inf)
    latest = (
        "" if last.left_s is None else f"; in {formatting.duration(last.left_s)} what is proved is enough"
    )
    if last.foreseen is None:
        return Needed("No end in sight", f"at these rates no number of requests is enough{latest}")
    requests, seconds = last.foreseen.requests, last.foreseen.seconds
    when = "no canary requests come" if seconds is None else f"{formatting.duration(seconds)} at this rate"
    return Needed(f"{formatting.count(requests)} request{'s' if requests > 1 else ''}", f"{when}{latest}")

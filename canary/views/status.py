"""The status of a ModelRollout as people, kubectl and programs read it. Pure functions."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from canary.judge import formatting
from canary.judge.report import MetricReport
from canary.resource.spec import document
from canary.resource.status import HISTORY_KEPT, Condition, Counts, Evidence, Status, Transition
from canary.rollout.confirmation import Confirmation, Source
from canary.rollout.state import State

SPEC_PREFIX: Final = "spec-"
MAX_TEXT: Final = 1000
MOST_METRICS: Final = 8
NO_REQUESTS: Final = "no requests"
MOST: Final = 1e300
"""JSON has no infinity."""

PROOFS: Final[Mapping[Source, str]] = {
    Source.PROXIES: "ProxiesAnswered",
    Source.COUNTS: "Counted",
    Source.NOBODY: "Assumed",
}

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Obstacle:
    """Why a resource cannot be worked on: one word for machines, a sentence for people."""

    reason: str
    sentence: str


@dataclass(frozen=True)
class Circumstances:
    """What the status says beside the controller's state.

    ``former`` is the status as it is; ``generation`` that of the spec; ``now`` is Unix seconds.
    """

    former: Json
    generation: int
    now: float
    problem: Obstacle | None = None


def status_of(state: State, around: Circumstances) -> dict[str, Any]:
    """Return the status without the judge's memory."""
    rollout, latest = state.rollout, state.latest
    weight, said = rollout.weight if rollout else 0, around.problem or latest
    proved = state.live_since is not None and not state.assumed
    status = Status(
        observed_generation=around.generation,
        phase=rollout.phase.value if rollout else "Pending" if around.problem else "Idle",
        stable=state.stable,
        canary=rollout.canary if rollout else None,
        previous=state.previous or around.former.get("previous"),
        step=max(0, rollout.step + 1) if rollout else None,
        weight=weight,
        weight_proved=weight if proved else around.former.get("weightProved"),
        since=None if state.live_since is None else _time(state.live_since),
        verdict=latest.reason[:256] if latest else None,
        message=said.sentence[:MAX_TEXT] if said else None,
        evidence=_evidence(state),
        conditions=tuple(_dated(_conditions(state, around), around)),
        history=tuple(_transitions(state))[-HISTORY_KEPT:],
    )
    return document(status)


def unusable(around: Circumstances) -> dict[str, Any]:
    """Return the status of a resource of which nothing is known but its problem."""
    problem = around.problem or Obstacle("Unknown", "nothing is known yet")
    ready = _condition("Ready", "False", problem, around)
    status = {key: value for key, value in around.former.items() if key != "conditions"}
    conditions = [document(each) for each in _dated([ready], around)]
    return {
        **status,
        "observedGeneration": around.generation,
        "phase": status.get("phase", "Pending"),
        "message": problem.sentence[:MAX_TEXT],
        "conditions": conditions,
    }


def camel(reason: str) -> str:
    """Return a reason as Kubernetes spells them: ``collecting:slow`` becomes ``CollectingSlow``."""
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", reason)) or "Unknown"


def _evidence(state: State) -> tuple[Evidence, ...]:
    """Return what the metrics said when the rollout was judged last."""
    said = (state.latest, *reversed(state.history))
    rollout = state.rollout.id if state.rollout else ""
    judged = (entry.report for entry in said if entry and entry.rollout == rollout and entry.report)
    report = next(judged, None)
    rows = report.metrics.items() if report else ()
    return tuple(_metric(name, seen) for name, seen in rows if seen.counted or seen.needed)[:MOST_METRICS]


def _metric(name: str, seen: MetricReport) -> Evidence:
    stable, canary = seen.step.stable, seen.step.canary
    rates = " vs ".join(
        f"{side} {formatting.percent(counts.bad, counts.requests) if counts.requests else NO_REQUESTS}"
        for side, counts in (("canary", canary), ("stable", stable))
    )
    return Evidence(
        metric=name,
        stable=Counts(**asdict(stable)),
        canary=Counts(**asdict(canary)),
        harm=min(seen.evidence, MOST),
        safe=min(seen.safest, MOST),
        needed=seen.needed.requests if seen.needed else None,
        words=f"{name}: {rates}; {formatting.count(canary.requests)} canary requests",
    )


def _conditions(state: State, around: Circumstances) -> Iterable[Condition]:
    latest, active = state.latest, state.active
    live = state.live_since is not None
    said = Obstacle(camel(latest.reason), latest.sentence) if latest else Obstacle("Begun", "nothing yet")
    if around.problem is not None:
        yield _condition("Ready", "False", around.problem, around)
    else:
        fine = Obstacle("Serving", f"the route holds what the controller wants; {state.stable} is stable")
        yield _condition("Ready", "True" if live else "False", fine if live else said, around)
    yield _proof(state, around)
    phase = Obstacle(state.rollout.phase.value if state.rollout else "Idle", said.sentence)
    yield _condition("Progressing", "True" if active else "False", phase, around)
    alert = latest is not None and latest.alert
    calm = Obstacle("AsExpected", "nothing needs a person")
    yield _condition("Degraded", "True" if alert else "False", said if alert else calm, around)
    answers = [answer for answer in state.answers if not answer.id.startswith(SPEC_PREFIX)]
    if answers:
        given = answers[-1]
        heard = Obstacle("Obeyed" if given.ok else "Refused", f"{given.id}: {given.message}")
        yield _condition("Commanded", "True" if given.ok else "False", heard, around)


def _proof(state: State, around: Circumstances) -> Condition:
    """Return who confirms that the proxies hold the present split."""
    shares = " and ".join(f"{weight} % to {version}" for version, weight in state.split.shares)
    if state.live_since is None:
        doubt = state.doubt.words if state.doubt else "it is about to be written"
        why = Obstacle("NotYet", f"not proved to be live: {shares}; {doubt}")
        return _condition("Proved", "False", why, around)
    confirmed = state.confirmation or Confirmation()
    called = "assumed to be live, not proved" if confirmed.assumed else "proved to be live"
    why = Obstacle(
        PROOFS[confirmed.by], f"{called}: {shares}" + (f"; {confirmed.words}" * bool(confirmed.words))
    )
    return _condition("Proved", "False" if confirmed.assumed else "True", why, around)


def _condition(kind: str, status: str, why: Obstacle, around: Circumstances) -> Condition:
    return Condition(
        type=kind,
        status=status,  # type: ignore[arg-type] # one of the three words; checked by the model
        reason=why.reason,
        message=why.sentence[: 8 * MAX_TEXT],
        last_transition_time=_time(around.now),
        observed_generation=around.generation,
    )


def _dated(conditions: Iterable[Condition], around: Circumstances) -> Iterable[Condition]:
    """Yield the conditions with the time of the last change of their ``status``."""
    former = {each["type"]: each for each in around.former.get("conditions", ())}
    for each in conditions:
        old = former.get(each.type)
        if old is not None and old["status"] == each.status:
            since = datetime.fromisoformat(old["lastTransitionTime"])
            yield each.model_copy(update={"last_transition_time": since})
        else:
            yield each


def _transitions(state: State) -> Iterable[Transition]:
    for entry in state.history:
        if entry.phase:
            yield Transition(
                at=_time(entry.at),
                phase=entry.phase,  # type: ignore[arg-type] # checked by the model
                step=entry.step,
                weight=entry.weight_to,
                by=entry.who[:256],
                reason=entry.reason[:256],
                message=entry.sentence[:MAX_TEXT],
            )


def _time(at: float) -> datetime:
    """Return a time as the API keeps it, in whole seconds."""
    return datetime.fromtimestamp(int(at), UTC)

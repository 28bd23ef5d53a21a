"""The rollout that the page shows in full; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from canary.adapters.disagreements import Disagreement
from canary.console import verbs
from canary.console.drawing import Drawing, drawing
from canary.console.ports import Rates
from canary.judge import formatting
from canary.rollout.decision import Action
from canary.rollout.history import Entry
from canary.rollout.model import Phase
from canary.views.findings import Evidence, evidence
from canary.views.runs import Run
from canary.views.scale import since

TONES: Final = {
    Phase.PROMOTED: "good",
    Phase.ROLLING_BACK: "bad",
    Phase.ROLLED_BACK: "bad",
    Phase.FAILED: "bad",
    Phase.PAUSED: "warn",
}
PHASES: Final = {Phase.ROLLING_BACK: "Rolling back", Phase.ROLLED_BACK: "Rolled back"}
ACTIONS: Final = {
    Action.ADVANCE: "good",
    Action.ROLL_BACK: "bad",
    Action.ROLLED_BACK: "bad",
    Action.FAIL: "bad",
    Action.PAUSE: "warn",
    Action.PUT_BACK: "warn",
    Action.ASSUME: "warn",
}


@dataclass(frozen=True)
class Event:
    """A decision in the list of events."""

    number: int
    at: float
    offset: str
    action: str
    tone: str
    reason: str
    sentence: str
    who: str
    move: str


@dataclass(frozen=True)
class StepView:
    """A weight on the way to 100 %; ``state`` is "done", "now" or "ahead"."""

    weight: int
    state: str
    note: str


@dataclass(frozen=True)
class Detail:
    """The rollout that is shown; ``historical`` says that there is a newer one of its service.

    ``unread`` says why the worst disagreements cannot be shown, "" if they can.
    """

    service: str
    run: Run
    phase: str
    tone: str
    sentence: str
    proof: str
    age: str
    drawing: Drawing
    evidence: Evidence | None
    steps: tuple[StepView, ...]
    events: tuple[Event, ...]
    buttons: tuple[verbs.Verb, ...]
    historical: bool = False
    rates: Mapping[str, Rates] = field(default_factory=dict)
    disagreements: tuple[Disagreement, ...] = ()
    unread: str = ""


def detail(service: str, run: Run, now: float) -> Detail:
    """Return all about one rollout; ``now`` is in Unix seconds."""
    end = run.ended_at or now
    return Detail(
        service=service,
        run=run,
        phase=phase_of(run),
        tone=tone_of(run),
        sentence=run.turn.sentence,
        proof=_proof(run, now),
        age=formatting.duration(max(0.0, end - run.started_at)),
        drawing=drawing(run, now),
        evidence=evidence(run),
        steps=_steps(run, now),
        events=tuple(_event(entry, run) for entry in reversed(run.entries)),
        buttons=verbs.fitting(run.rollout),
        historical=run.rollout is None,
    )


def phase_of(run: Run) -> str:
    """Return the phase in words."""
    return PHASES.get(run.phase, run.phase.value)


def tone_of(run: Run) -> str:
    """Return how the phase should look."""
    return TONES.get(run.phase, "live")


def _proof(run: Run, now: float) -> str:
    if run.rollout is None:
        return "proofs are kept of the last rollout only"
    if run.live_since is None:
        return "asked for, not proved to be live yet"
    since_then = "" if run.ended else f" for {formatting.duration(max(0.0, now - run.live_since))}"
    if run.assumed:
        return f"assumed to be live{since_then}, not proved: {run.assumed}"
    return f"proved to be live{since_then}"


def _steps(run: Run, now: float) -> tuple[StepView, ...]:
    rollout = run.rollout
    if rollout is None:
        return ()
    passed = {record.weight: record for record in rollout.passed}
    steps = []
    for weight, soak in rollout.soaks.items():
        record = passed.get(weight)
        if record is None:
            steps.append(StepView(weight, "ahead", f"at least {formatting.duration(soak)}"))
            continue
        end = record.until or rollout.ended_at
        length = formatting.duration(max(0.0, (end or now) - record.since))
        steps.append(StepView(weight, "done" if end else "now", length if end else f"{length} so far"))
    return tuple(steps)


def _event(entry: Entry, run: Run) -> Event:
    moved = entry.weight_from != entry.weight_to
    return Event(
        number=entry.number,
        at=entry.at,
        offset=since(max(0.0, entry.at - run.started_at)),
        action=entry.action.value.replace("_", " "),
        tone="warn" if entry.alert and entry.action is Action.HOLD else ACTIONS.get(entry.action, "calm"),
        reason=entry.reason,
        sentence=entry.sentence,
        who=entry.who,
        move=f"{entry.weight_from} → {entry.weight_to} %" if moved else f"{entry.weight_to} %",
    )

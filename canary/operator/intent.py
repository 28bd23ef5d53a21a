"""What the spec and people's annotations ask of the controller, as its own commands. Pure functions."""

from dataclasses import dataclass
from typing import Final, get_args

from canary.cluster.annotation import Note
from canary.cluster.by_hand import Overrides
from canary.cluster.store import Notes
from canary.errors import CanaryError
from canary.judge.policy import Profile
from canary.resource.spec import Spec
from canary.rollout.commands import Command, Order, Start, Undo
from canary.rollout.decision import Action
from canary.rollout.model import Phase, Rollout
from canary.rollout.state import State
from canary.rollout.transition import PAUSABLE

SPEC: Final = "spec"


@dataclass(frozen=True)
class Begin:
    """With what a rollout is begun: the policy, and how many pods (None: as many as the stable has)."""

    profile: Profile
    replicas: int | None


def wishes(spec: Spec, state: State, notes: Notes, begin: Begin | None, now: float) -> list[Command]:
    """Return what the spec asks for that is not so yet; ``begin`` is None while nothing can begin."""
    active, target = state.active, wanted(spec, state)
    if active is not None and _astray(active, target, notes):
        gone = active.phase is Phase.ROLLING_BACK
        return [] if gone else [Order(f"{SPEC}-abort-{active.id}", SPEC, now, "abort")]
    if active is not None:
        number = f"{active.id}-{state.entries}"
        if spec.suspend and active.phase in PAUSABLE and not active.undo:
            return [Order(f"{SPEC}-pause-{number}", SPEC, now, "pause")]
        if not spec.suspend and notes.suspended and active.phase is Phase.PAUSED:
            return [Order(f"{SPEC}-resume-{number}", SPEC, now, "resume")]
        return []
    if target is None or target == notes.asked or spec.suspend or begin is None or not state.settled:
        return []
    return [start(f"{SPEC}-start-{state.rollouts + 1}", SPEC, target, begin, now)]


def wanted(spec: Spec, state: State) -> str | None:
    """Return the version that should be on trial; one that is stable already needs no trial."""
    return None if spec.canary == state.stable else spec.canary


def _astray(active: Rollout, target: str | None, notes: Notes) -> bool:
    """Tell whether the spec wants something else; an undo goes against the spec that it was begun under."""
    return active.canary != target and not (active.undo and target in {None, notes.asked})


def is_edited(spec: Spec, notes: Notes) -> bool:
    """Tell whether what a rollout is judged by differs from the spec that is in the notes."""
    now = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return notes.spec is not None and any(
        name in notes.spec and notes.spec[name] != now[name] for name in ("policy", "shadow")
    )


def start(command: str, by: str, canary: str, begin: Begin, now: float) -> Start:
    """Return the command that begins a rollout."""
    name = begin.profile.name
    return Start(command, by, now, canary, profile=name, replicas=begin.replicas, policy=begin.profile)


def learned(spec: Spec, state: State, notes: Notes, by_hand: Overrides) -> Notes:
    """Return the notes that go with a state; what was undone was asked for: it does not come back."""
    rollout, active = state.rollout, state.active
    undoing = active is not None and active.undo
    asked = None if wanted(spec, state) is None and not undoing else notes.asked
    if rollout is not None and state.rollouts > notes.rollouts:
        asked = spec.canary if rollout.undo else rollout.canary
    paused = rollout is not None and rollout.phase is Phase.PAUSED
    last = next((entry for entry in reversed(state.history) if entry.action is Action.PAUSE), None)
    by_spec = spec.suspend and last is not None and last.who == SPEC
    return Notes(
        stable=spec.stable if spec.stable == state.stable or not notes.stable else notes.stable,
        asked=asked,
        rollouts=state.rollouts,
        suspended=paused and (notes.suspended or by_spec),
        spec=spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        by_hand=by_hand,
    )


def command(asked: Note, spec: Spec, state: State, begin: Begin | None, now: float) -> Command:
    """Return a person's command as the controller takes it.

    Raises:
        CanaryError: a start, and there is nothing that could be begun.
    """
    if asked.verb in _ORDERS:
        return Order(asked.id, asked.by, now, asked.verb)  # type: ignore[arg-type] # just looked up
    if asked.verb == "undo":
        policy = begin.profile if begin else None
        return Undo(asked.id, asked.by, now, asked.why, at_once=asked.at_once, policy=policy)
    target = wanted(spec, state)
    if target is None or begin is None:
        message = "nothing can begin: name another version in spec.canary, and see the condition Ready"
        raise CanaryError(message)
    return start(asked.id, asked.by, target, begin, now)


_ORDERS: Final = frozenset(get_args(Order.__annotations__["verb"]))

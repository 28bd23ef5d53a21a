"""What commands make of the state."""

from dataclasses import replace

from canary.controller.ports import Workloads
from canary.errors import BadCommand, NoRollout, NothingToUndo, RolloutInProgress, UnknownVersion
from canary.judge.policy import Profile, Shadow
from canary.judge.profiles import AT_ONCE, DEFAULT, profile, shadowed
from canary.judge.verdict import Outcome, Verdict
from canary.rollout.commands import Command, Order, Start, Undo
from canary.rollout.decision import decide
from canary.rollout.model import Phase
from canary.rollout.reducer import begun, decided, undone
from canary.rollout.state import State


def obey(state: State, command: Command, workloads: Workloads, now: float) -> State:
    """Return the state after a command.

    Raises:
        canary.errors.CanaryError: the command cannot be carried out.
    """
    if isinstance(command, Start):
        return _start(state, command, workloads, now)
    if isinstance(command, Undo):
        return _undo(state, command, workloads, now)
    return _order(state, command, now)


def _start(state: State, start: Start, workloads: Workloads, now: float) -> State:
    _check(state, start.canary, workloads)
    if start.stable not in {None, state.stable}:
        message = f"the stable version is {state.stable!r}, not {start.stable!r}: leave --stable out"
        raise BadCommand(message)
    if start.canary == state.stable:
        message = f"{start.canary!r} is the stable version already: name another one as the canary"
        raise BadCommand(message)
    policy = start.policy or profile(start.profile, start.steps)
    if start.shadow or start.shadow_during:
        policy = shadowed(policy, start.shadow, start.shadow_during)
    return begun(state, start, policy, start.replicas or _size(state, workloads), now)


def _undo(state: State, undo: Undo, workloads: Workloads, now: float) -> State:
    if state.previous is None:
        raise NothingToUndo(state.stable)
    _check(state, state.previous, workloads)
    policy = AT_ONCE if undo.at_once else _unshadowed(undo.policy or _former(state))
    return undone(state, undo, state.previous, policy, undo.replicas or _size(state, workloads), now)


def _former(state: State) -> Profile:
    """Return the policy of the rollout that is undone, or the default one if it is not kept or had none."""
    last = state.rollout
    judged = last is not None and last.phase is Phase.PROMOTED and not last.at_once
    return last.profile if last is not None and judged else DEFAULT


def _unshadowed(profile: Profile) -> Profile:
    """Return a policy under which nothing is copied: on the way back answers are meant to differ."""
    compared = tuple(metric for metric in profile.metrics if not metric.mirrored)
    return replace(profile, shadow=Shadow(), metrics=compared)


def _check(state: State, canary: str, workloads: Workloads) -> None:
    """Refuse a second rollout, and one of a version that nobody can start."""
    last, known = state.rollout, workloads.versions()
    if last is not None and not state.settled:
        raise RolloutInProgress(last.canary, last.phase.value)
    if canary not in known:
        raise UnknownVersion(canary, known)


def _size(state: State, workloads: Workloads) -> int:
    """Return as many pods as the stable has."""
    return max(1, workloads.status(state.stable).wanted)


def _order(state: State, order: Order, now: float) -> State:
    rollout = state.active
    if rollout is None:
        raise NoRollout(order.verb)
    return decided(state, decide(rollout, _standing(state), order), now)


def _standing(state: State) -> Verdict:
    """Return what was said last: an order comes between two judgements."""
    latest = state.latest
    if latest is None:
        return Verdict(Outcome.HOLD, "unjudged", "nothing yet")
    return Verdict(Outcome.HOLD, latest.reason, latest.sentence, report=latest.report)

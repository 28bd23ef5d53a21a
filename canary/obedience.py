"""What commands make of the state."""

from canary.bookkeeping import begun, decided
from canary.commands import Command, Order, Start
from canary.decision import decide
from canary.errors import BadCommand, NoRollout, RolloutInProgress, UnknownVersion
from canary.ports import Workloads
from canary.profiles import profile
from canary.state import State
from canary.verdict import Outcome, Verdict


def obey(state: State, command: Command, workloads: Workloads, now: float) -> State:
    """Return the state after a command.

    Raises:
        canary.errors.CanaryError: the command cannot be carried out.
    """
    if isinstance(command, Start):
        return _start(state, command, workloads, now)
    return _order(state, command, now)


def _start(state: State, start: Start, workloads: Workloads, now: float) -> State:
    last = state.rollout
    if last is not None and not (last.ended and last.settled):
        raise RolloutInProgress(last.canary, last.phase.value)
    known = workloads.versions()
    if start.canary not in known:
        raise UnknownVersion(start.canary, known)
    if start.stable not in {None, state.stable}:
        message = f"the stable version is {state.stable!r}, not {start.stable!r}: leave --stable out"
        raise BadCommand(message)
    if start.canary == state.stable:
        message = f"{start.canary!r} is the stable version already: name another one as the canary"
        raise BadCommand(message)
    policy = start.policy or profile(start.profile, start.steps)
    replicas = start.replicas or max(1, workloads.status(state.stable).wanted)
    return begun(state, start, policy, replicas, now)


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
    return Verdict(Outcome.HOLD, latest.reason, latest.sentence, numbers=latest.numbers)

"""The state machine: what a decision makes of a rollout. Final phases are never left."""

from dataclasses import replace

from canary.rollout.decision import Action, Decision
from canary.rollout.model import FINAL, Phase, Rollout

NEXT = {
    Phase.PENDING: Phase.WARMING,
    Phase.WARMING: Phase.REHEARSING,
    Phase.REHEARSING: Phase.PROGRESSING,
    Phase.PROGRESSING: Phase.PROGRESSING,
    Phase.BAKING: Phase.PROMOTED,
}
PAUSABLE = frozenset(NEXT)
ENTERED = {
    Action.ROLL_BACK: Phase.ROLLING_BACK,
    Action.ROLLED_BACK: Phase.ROLLED_BACK,
    Action.FAIL: Phase.FAILED,
}
UNROUTED = frozenset({Phase.PENDING, Phase.WARMING})


def transition(rollout: Rollout, decision: Decision, now: float) -> Rollout:
    """Return the rollout after a decision taken at ``now`` (Unix seconds).

    A decision that does not fit the phase changes nothing.
    """
    if rollout.ended:
        return rollout
    match decision.action:
        case Action.ADVANCE if rollout.acting in NEXT:
            return _advanced(rollout, now)
        case Action.ROLL_BACK if rollout.acting in UNROUTED:
            return _entered(rollout, Phase.ROLLED_BACK, now)
        case Action.PAUSE if rollout.phase in PAUSABLE:
            return replace(rollout, phase=Phase.PAUSED, paused_in=rollout.phase, phase_since=now)
        case Action.RESUME if rollout.phase is Phase.PAUSED:
            return _entered(rollout, rollout.acting, now)
    return _entered(rollout, ENTERED[decision.action], now) if decision.action in ENTERED else rollout


def _advanced(rollout: Rollout, now: float) -> Rollout:
    """Return the rollout one step further; a paused one stays paused there unless that ends it."""
    phase = NEXT[rollout.acting]
    last = len(rollout.profile.steps)
    step = rollout.step + 1 if phase is Phase.PROGRESSING else rollout.step
    if phase is Phase.PROGRESSING and (rollout.at_once or step == last):
        phase, step = Phase.BAKING, last
    moved = replace(rollout, step=step)
    if rollout.phase is Phase.PAUSED and phase not in FINAL:
        return replace(moved, paused_in=phase)
    return _entered(moved, phase, now)


def _entered(rollout: Rollout, phase: Phase, now: float) -> Rollout:
    ended_at = now if phase in FINAL else None
    return replace(rollout, phase=phase, phase_since=now, paused_in=None, ended_at=ended_at)

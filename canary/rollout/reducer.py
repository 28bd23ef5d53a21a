"""What a decision makes of the controller's state, and its entry in the history; pure functions."""

from dataclasses import replace
from typing import Final

from canary.judge.ledger import Ledger
from canary.judge.policy import Profile
from canary.rollout.commands import Start, Undo
from canary.rollout.confirmation import Confirmation, Doubt
from canary.rollout.decision import Action, Decision
from canary.rollout.history import Entry
from canary.rollout.model import Phase, Rollout, StepRecord
from canary.rollout.state import State
from canary.rollout.transition import transition
from mesh.model import Split

MAX_ENTRIES: Final = 200


def begun(state: State, start: Start, profile: Profile, replicas: int, now: float) -> State:
    """Return the state with a new rollout in it."""
    rollout = replace(_rollout(state, start.canary, start.by, profile, replicas, now), golden=start.golden)
    sentence = (
        f"{start.by}: {state.stable} -> {start.canary} at {profile.way}, "
        f"profile {profile.name}: {profile.description}{_copies(profile)}"
    )
    return _begun(state, rollout, Decision(Action.START, "by_hand:start", sentence, who=start.by), now)


def _copies(profile: Profile) -> str:
    shadow = profile.shadow
    shares = [f"{shadow.percent} % before the first weight"] if shadow.percent else []
    shares += [f"{shadow.during_percent} % beside the weights"] if shadow.during_percent else []
    return f"; copies of the stable's requests go to it: {', '.join(shares)}" if shares else ""


def undone(state: State, undo: Undo, previous: str, profile: Profile, replicas: int, now: float) -> State:
    """Return the state with a rollout in it that leads back to the ``previous`` version."""
    back = _rollout(state, previous, undo.by, profile, replicas, now)
    rollout = replace(back, undo=True, at_once=undo.at_once)
    how = "at once, when its pods are ready" if undo.at_once else f"in steps, profile {profile.name}"
    why = f" ({undo.why})" if undo.why else ""
    sentence = f"{undo.by}: undo{why}: {state.stable} -> {previous}, which was stable before, {how}"
    return _begun(state, rollout, Decision(Action.START, "by_hand:undo", sentence, who=undo.by), now)


def decided(state: State, decision: Decision, now: float) -> State:
    """Return the state after a decision about the rollout in progress; without one, nothing changes."""
    before = state.active
    if before is None:
        return state
    after = transition(before, decision, now)
    moved = before.split != after.split
    closed = _closed(after, now) if moved else after
    promoted = closed.phase is Phase.PROMOTED
    changed = replace(
        state,
        rollout=closed,
        stable=closed.canary if promoted else state.stable,
        previous=state.stable if promoted else state.previous,
        live_since=None if moved else state.live_since,
        confirmation=None if moved else state.confirmation,
        doubt=None if moved else state.doubt,
    )
    return _noted(changed, before, decision, now)


def live(state: State, confirmation: Confirmation, now: float) -> State:
    """Return the state once the split is taken to be live: the soak clock starts.

    It starts again when what was assumed is confirmed. That something is only assumed stands in the history,
    unless nothing is under way.
    """
    found = _recorded(replace(state, live_since=now, confirmation=confirmation, doubt=None), now)
    if not confirmation.assumed or state.settled:
        return found
    sentence = f"assumed to be live, not proved: {_words(state.split)}; {confirmation.words}"
    told = _noted(found, state.rollout, Decision(Action.ASSUME, "weight_assumed", sentence), now)
    return told if state.active else replace(told, latest=state.latest)  # how it ended is worth more


def _recorded(state: State, now: float) -> State:
    """Return the state with the weight among those that were live."""
    rollout = state.active
    if rollout is None or not rollout.weighted:
        return state
    present = StepRecord(rollout.weight, now, assumed=state.assumed)
    former = rollout.passed
    if _is_open(rollout):
        if former[-1].assumed == present.assumed:
            return state
        former = former[:-1]
    return replace(state, rollout=replace(rollout, passed=(*former, present)))


def doubted(state: State, doubt: Doubt) -> State:
    """Return the state while the split is written and not yet taken to be live, or not any more."""
    return replace(state, live_since=None, confirmation=None, doubt=doubt)


def put_back(state: State, seen: Split | None, now: float) -> State:
    """Return the state after somebody else changed the split: it has to be applied again."""
    found = "no readable split" if seen is None else _words(seen)
    sentence = f"the gateway had {found}, which is not the controller's: put back to {_words(state.split)}"
    decision = Decision(Action.PUT_BACK, "foreign_split", sentence, alert=True)
    apart = replace(state, live_since=None, confirmation=None, doubt=None)
    return _noted(apart, state.rollout, decision, now)


def noted(state: State, decision: Decision, now: float) -> State:
    """Return the state with a decision that changes nothing but may be news."""
    return _noted(state, state.rollout, decision, now)


def _rollout(state: State, canary: str, who: str, profile: Profile, replicas: int, now: float) -> Rollout:
    return Rollout(
        id=f"rollout-{state.rollouts + 1}",
        stable=state.stable,
        canary=canary,
        replicas=replicas,
        profile=profile,
        started_at=now,
        started_by=who,
        phase_since=now,
    )


def _begun(state: State, rollout: Rollout, decision: Decision, now: float) -> State:
    number, ledger = state.rollouts + 1, Ledger.empty(rollout.profile)
    fresh = replace(state, rollout=rollout, ledger=ledger, cursor=None, ticked_at=None, rollouts=number)
    return _noted(fresh, rollout, decision, now)


def _noted(state: State, before: Rollout | None, decision: Decision, now: float) -> State:
    after = state.rollout
    entry = Entry(
        number=state.entries + 1,
        at=now,
        action=decision.action,
        reason=decision.reason,
        sentence=decision.sentence,
        who=decision.who,
        alert=decision.alert,
        report=decision.report,
        golden=decision.golden,
        stable=state.stable,
    )
    if before is not None and after is not None:
        entry = replace(
            entry,
            rollout=after.id,
            stable=after.stable,
            canary=after.canary,
            phase=after.phase.value,
            weight_from=before.weight,
            weight_to=after.weight,
            step=after.step + 1 or None,
        )
    if not _is_news(state.latest, entry):
        return replace(state, latest=replace(entry, number=state.entries))
    history = (*state.history, entry)[-MAX_ENTRIES:]
    return replace(state, latest=entry, history=history, entries=entry.number)


def _is_news(last: Entry | None, entry: Entry) -> bool:
    """Tell whether an entry says something new: waiting on for the same reason is no news."""
    if entry.action is not Action.HOLD or last is None:
        return True
    return (last.action, last.reason, last.phase, last.rollout, last.alert) != (
        entry.action,
        entry.reason,
        entry.phase,
        entry.rollout,
        entry.alert,
    )


def _is_open(rollout: Rollout) -> bool:
    return bool(rollout.passed) and rollout.passed[-1].until is None


def _closed(rollout: Rollout, now: float) -> Rollout:
    if not _is_open(rollout):
        return rollout
    *earlier, last = rollout.passed
    return replace(rollout, passed=(*earlier, replace(last, until=now)))


def _words(split: Split) -> str:
    shares = (f"{weight} % to {version}" for version, weight in split.shares)
    return " and ".join(shares)

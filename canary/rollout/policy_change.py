"""What an edited policy makes of a rollout under way: it goes on with its evidence. Pure functions."""

from dataclasses import replace

from canary.judge.evidence import MetricEvidence
from canary.judge.ledger import Ledger
from canary.judge.policy import Profile
from canary.rollout.decision import Action, Decision
from canary.rollout.model import Rollout
from canary.rollout.reducer import noted
from canary.rollout.state import State

WHO = "spec"


def revised(state: State, profile: Profile, now: float) -> State:
    """Return the state with another policy for the rollout in progress; the weight stays as it is.

    Steps that are behind it stay as they were: the number of a step stands for evidence that has been spent.
    """
    rollout = state.active
    if rollout is None:
        return state
    merged = _merged(rollout, profile)
    if merged == rollout.profile:
        return state
    revised_rollout = replace(rollout, profile=merged)
    same = revised_rollout.split == rollout.split
    sentence = f"the policy was edited: goes on from {rollout.weight} % at {merged.way}"
    changed = replace(
        state,
        rollout=revised_rollout,
        live_since=state.live_since if same else None,
        confirmation=state.confirmation if same else None,
        doubt=state.doubt if same else None,
        ledger=None if state.ledger is None else _kept(state.ledger, merged),
    )
    return noted(changed, Decision(Action.RESUME, "policy_edited", sentence, who=WHO), now)


def _merged(rollout: Rollout, profile: Profile) -> Profile:
    """Return the new policy from the present step on."""
    behind = rollout.profile.steps[: rollout.step + 1]
    if not behind:
        return profile
    here = behind[-1].weight
    present = next((step for step in profile.steps if step.weight == here), behind[-1])
    ahead = tuple(step for step in profile.steps if step.weight > here)
    if rollout.step >= len(rollout.profile.steps):  # it bakes: nothing is ahead
        return replace(profile, steps=rollout.profile.steps, holdback=rollout.profile.holdback)
    return replace(profile, steps=(*behind[:-1], present, *ahead))


def _kept(ledger: Ledger, profile: Profile) -> Ledger:
    """Return the evidence in the order of the new policy's metrics; a new metric begins with none."""
    known = {metric.name: metric for metric in ledger.metrics}
    rows = (known.get(metric.name) or MetricEvidence(metric.name) for metric in profile.metrics)
    return replace(ledger, metrics=tuple(rows))

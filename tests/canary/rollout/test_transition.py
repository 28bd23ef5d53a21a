from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import BadCommand
from canary.judge.profiles import FAST
from canary.judge.verdict import Outcome, Verdict
from canary.rollout.commands import Order
from canary.rollout.decision import Action, Decision, decide
from canary.rollout.model import FINAL, Phase, Rollout
from canary.rollout.transition import transition

NEW = Rollout("rollout-1", "1.0", "1.1", 2, FAST, 0.0, "ann")
decisions = st.builds(Decision, st.sampled_from(Action), st.just("reason"), st.just("sentence"))
verdicts = st.builds(Verdict, st.sampled_from(Outcome), st.just("reason"), st.just("sentence"))
verbs = st.sampled_from(["pause", "resume", "promote", "abort"])


def order(verb: str) -> Order:
    return Order("id", "ann", 0.0, verb)  # type: ignore[arg-type] # drawn from the four verbs


def after(steps: list[Decision]) -> list[Rollout]:
    seen = [NEW]
    for step in steps:
        seen.append(transition(seen[-1], step, 1.0))
    return seen


def advance(times: int) -> Rollout:
    return after([Decision(Action.ADVANCE, "", "")] * times)[-1]


@given(st.lists(decisions, max_size=20))
def test_weights_always_sum_to_one_hundred(steps: list[Decision]) -> None:
    for rollout in after(steps):
        assert sum(weight for _, weight in rollout.split.shares) == 100
        assert 0 <= rollout.weight <= 100


@given(st.lists(decisions, max_size=20))
def test_a_final_phase_is_never_left(steps: list[Decision]) -> None:
    seen = after(steps)
    for before, later in pairwise(seen):
        assert before.phase not in FINAL or later == before


@given(st.lists(decisions, max_size=20))
def test_after_a_rollback_the_canary_never_gets_traffic_again(steps: list[Decision]) -> None:
    back = False
    for rollout in after(steps):
        back = back or rollout.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}
        if back:
            assert rollout.split.shares == (("1.0", 100),)


@given(st.lists(decisions, max_size=20))
def test_a_weight_only_moves_one_step_at_a_time(steps: list[Decision]) -> None:
    ladder = [0, *(step.weight for step in FAST.steps), 100]
    seen = [rollout.weight for rollout in after(steps)]
    for before, later in pairwise(seen):
        assert later in {0, before} or ladder.index(later) == ladder.index(before) + 1


@given(st.integers(0, 7), verdicts, st.one_of(st.none(), verbs))
def test_the_same_input_gives_the_same_decision(times: int, verdict: Verdict, verb: str | None) -> None:
    rollout = advance(times)
    command = None if verb is None else order(verb)
    try:
        first = decide(rollout, verdict, command)
    except BadCommand as error:
        with pytest.raises(BadCommand, match=str(error).split("(")[0]):
            decide(rollout, verdict, command)
    else:
        assert decide(rollout, verdict, command) == first


def test_a_harmless_rollout_goes_through_all_phases() -> None:
    phases = [rollout.phase for rollout in after([Decision(Action.ADVANCE, "", "")] * 7)]
    assert phases == [
        Phase.PENDING,
        Phase.WARMING,
        Phase.REHEARSING,
        Phase.PROGRESSING,
        Phase.PROGRESSING,
        Phase.PROGRESSING,
        Phase.BAKING,
        Phase.PROMOTED,
    ]


@pytest.mark.parametrize("times", range(7))
def test_a_rollback_comes_before_a_pause_at_the_same_moment(times: int) -> None:
    verdict = Verdict(Outcome.ROLL_BACK, "harm", "bad")
    assert decide(advance(times), verdict, order("pause")).action is Action.ROLL_BACK


@pytest.mark.parametrize("times", range(7))
def test_an_abort_is_accepted_in_every_phase_that_is_not_final(times: int) -> None:
    paused = transition(advance(times), Decision(Action.PAUSE, "", ""), 1.0)
    for rollout in (advance(times), paused):
        decision = decide(rollout, Verdict(Outcome.HOLD, "soak", ""), order("abort"))
        assert decision.action is Action.ROLL_BACK
        assert transition(rollout, decision, 2.0).split.shares == (("1.0", 100),)


def test_a_paused_rollout_holds_where_it_would_advance() -> None:
    paused = transition(advance(3), Decision(Action.PAUSE, "", ""), 1.0)
    decision = decide(paused, Verdict(Outcome.ADVANCE, "advance", "good"))
    assert (decision.action, decision.reason) == (Action.HOLD, "paused")


def test_the_pods_of_the_old_stable_are_kept_until_the_bake_is_over() -> None:
    baking = advance(6)
    assert baking.pods == {"1.1": 2}
    assert transition(baking, Decision(Action.ADVANCE, "", ""), 1.0).pods == {"1.1": 2, "1.0": 0}


def test_pods_are_let_go_only_after_the_traffic_is_back() -> None:
    rolling = transition(advance(4), Decision(Action.ROLL_BACK, "", ""), 1.0)
    assert (rolling.phase, rolling.pods) == (Phase.ROLLING_BACK, {"1.1": 2})
    assert transition(rolling, Decision(Action.ROLLED_BACK, "", ""), 1.0).pods == {"1.1": 0}


def test_a_pause_changes_nothing_about_traffic_and_pods() -> None:
    for times in range(7):
        rollout = advance(times)
        paused = transition(rollout, Decision(Action.PAUSE, "", ""), 1.0)
        assert (paused.split, paused.pods, paused.stage) == (rollout.split, rollout.pods, rollout.stage)
        resumed = transition(paused, Decision(Action.RESUME, "", ""), 2.0)
        assert replace(resumed, phase_since=0.0) == replace(rollout, phase_since=0.0)

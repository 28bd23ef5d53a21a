"""What the controller's history proves."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bertmesh.demo.proofs import (
    OnFile,
    Succession,
    jumps,
    unexplained,
    unweighted,
    verdict_on,
    waited_s,
    waits,
)
from canary.judge.report import Report
from canary.rollout.decision import Action
from canary.rollout.history import Entry

LADDER = (0, 0, 5, 20, 50, 95, 100)


def entry(number: int, weight_from: int, weight_to: int, *, reason: str = "advance") -> Entry:
    action = Action.START if number == 1 else Action.ADVANCE
    return Entry(
        number,
        100.0 + 10 * number,
        action,
        reason,
        "",
        "",
        "r1",
        weight_from=weight_from,
        weight_to=weight_to,
    )


PROMOTED = tuple(
    entry(number, before, after)
    for number, (before, after) in enumerate(zip((0, *LADDER), LADDER, strict=False), start=1)
)


def on_file(entries: int, ticks: int, rollout: str = "r1") -> OnFile:
    return OnFile(rollout, PROMOTED[:entries], ticks)


def succession(before: OnFile, after: OnFile) -> Succession:
    return Succession(150.0, 152.0, before, after)


@given(looked=st.integers(1, len(PROMOTED)), ticks=st.integers(0, 40))
def test_a_history_that_goes_on_loses_nothing_whenever_one_looks(looked: int, ticks: int) -> None:
    seen = succession(on_file(looked, ticks), on_file(len(PROMOTED), 40))
    assert seen.losses() == []
    assert seen.before.history + seen.added == PROMOTED
    assert jumps(seen.after.history) == []


def test_a_decision_taken_before_anybody_looked_is_no_loss() -> None:
    before, after = on_file(4, 17), on_file(5, 18)
    assert (before.weight, after.weight) == (20, 50)
    assert succession(before, after).losses() == []


def test_lost_ticks_are_a_loss() -> None:
    assert succession(on_file(4, 17), on_file(7, 3)).losses() == ["3 ticks of evidence were left of 17"]


def test_ticks_that_were_lost_and_made_up_for_by_the_end_are_a_loss() -> None:
    begun_again = replace(PROMOTED[4], report=Report(1.0, 1.0, 20, 8, {}))
    after = OnFile("r1", (*PROMOTED[:4], begun_again, *PROMOTED[5:]), 40)
    assert succession(on_file(4, 17), after).losses() == ["8 ticks of evidence were left of 17"]


def test_another_rollout_is_a_loss() -> None:
    [words] = succession(on_file(4, 17), replace(on_file(7, 18), rollout="r2")).losses()
    assert "r2" in words


def test_a_history_that_was_changed_or_cut_is_a_loss() -> None:
    changed = (*PROMOTED[:3], replace(PROMOTED[3], sentence="another"), *PROMOTED[4:])
    assert succession(on_file(4, 17), OnFile("r1", changed, 18)).losses()
    assert succession(on_file(4, 17), on_file(3, 18)).losses()


def test_old_entries_that_were_forgotten_for_there_are_too_many_are_no_loss() -> None:
    assert succession(on_file(4, 17), OnFile("r1", PROMOTED[2:], 18)).losses() == []


def test_a_weight_that_changed_between_two_decisions_is_a_jump() -> None:
    [words] = jumps((*PROMOTED[:3], *PROMOTED[4:]))
    assert words == "5 % was left by decision 3, 20 % found by the next"


def test_a_rollout_that_was_begun_twice_is_seen() -> None:
    [words] = jumps((PROMOTED[0], PROMOTED[0]))
    assert "started 2 times" in words


def test_weights_in_the_routes_are_explained_by_decisions_even_if_some_were_never_seen() -> None:
    assert unexplained([0, 5, 20, 50, 95, 100], PROMOTED) == []
    assert unexplained([0, 20, 100], PROMOTED) == []
    assert unexplained([], PROMOTED) == []


def test_a_weight_that_nobody_decided_or_that_came_too_early_or_again_is_not_explained() -> None:
    assert unexplained([0, 7, 20], PROMOTED) == [7]
    assert unexplained([0, 50, 20], PROMOTED) == [20]
    assert unexplained([0, 5], PROMOTED[:2]) == [5]


def test_a_canary_is_to_get_nothing_from_the_start_to_the_first_weight_or_to_the_end() -> None:
    assert unweighted(PROMOTED, end=500.0) == (110.0, 130.0)
    assert unweighted(PROMOTED[:2], end=500.0) == (110.0, 500.0)
    assert unweighted((), end=500.0) == (500.0, 500.0)


def test_the_judge_waits_from_the_decision_that_says_so_to_the_next_one() -> None:
    history = (
        entry(2, 0, 5),
        entry(3, 5, 5, reason="common_incident"),
        entry(4, 5, 5, reason="soak"),
        entry(5, 5, 5, reason="no_data"),
    )
    assert waits(history, end=160.0) == [(130.0, 140.0), (150.0, 160.0)]
    assert waited_s(history, end=160.0) == 20.0
    assert waits((), end=160.0) == []


def test_the_verdict_is_the_last_move_but_for_the_end_of_the_bake() -> None:
    proved = replace(entry(6, 50, 95), sentence="proved")
    baked = replace(entry(7, 95, 100, reason="baked"), sentence="baked long enough")
    still = replace(entry(8, 100, 100), sentence="nothing new")
    assert verdict_on((*PROMOTED[:5], proved, baked, still)) == "proved"
    assert verdict_on(()) == "no weight was moved"

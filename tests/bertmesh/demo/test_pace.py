"""How fast the demo sends and how long it waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertmesh.demo.acts import PROFILE
from bertmesh.demo.pace import FULL, LEAST, MOST, Capacity, Look, Needs, Pace, look, requests_needed

CALM, BUSY = Look(1.0, stuck=False), Look(FULL + 1, stuck=False)


@pytest.mark.parametrize(
    ("carried", "asked"),
    [(1000.0, MOST), (120.0, 60.0), (70.0, 35.0), (20.0, 10.0), (3.0, LEAST), (0.0, LEAST)],
)
def test_half_of_what_the_machine_carries_is_asked_for_within_bounds(carried: float, asked: float) -> None:
    assert Capacity(4, carried, 0.02).rate == asked


@pytest.mark.parametrize(
    ("carried", "why"), [(1000.0, "no act"), (70.0, "half of that"), (3.0, "very little")]
)
def test_the_choice_is_explained(carried: float, why: str) -> None:
    words = Capacity(4, carried, 0.02).words()
    assert why in words
    assert f"carries {carried:.0f} requests/s" in words
    assert f"{Capacity(4, carried, 0.02).rate:.0f} requests/s" in words


def test_requests_under_way_are_counted_by_the_quicker_answers_so_that_a_slow_canary_is_no_busy_machine() -> (
    None
):
    stable, slow = [0.02] * 30, [1.2] * 30
    assert look(stable + slow, 1.0, waiting=40, left_out=0).at_once == pytest.approx(1.2)
    assert look([0.2] * 60, 1.0, waiting=12, left_out=0).at_once == pytest.approx(12.0)


def test_a_second_without_an_answer_or_with_requests_left_out_is_one_of_a_full_machine() -> None:
    assert look([], 1.0, waiting=5, left_out=0).stuck
    assert look([0.01], 1.0, waiting=24, left_out=1).stuck
    assert not look([], 1.0, waiting=0, left_out=0).stuck


def test_less_is_sent_while_the_machine_is_full_and_slowly_all_again() -> None:
    paces = [Pace(60.0, 60.0)]
    for seen in [BUSY, BUSY, *[CALM] * 20]:
        paces.append(paces[-1].after(seen))
    rates = [pace.rate for pace in paces]
    assert rates[:3] == [60.0, pytest.approx(42.0), pytest.approx(29.4)]
    assert rates[2:] == sorted(rates[2:])
    assert rates[-1] == 60.0
    assert paces[-1].eased_to == pytest.approx(29.4)


@given(
    chosen=st.floats(0.5, 200), seen=st.lists(st.sampled_from([CALM, BUSY, Look(0, stuck=True)]), max_size=60)
)
def test_the_rate_stays_between_the_least_and_the_chosen_one(chosen: float, seen: list[Look]) -> None:
    pace = Pace(chosen, chosen)
    for each in seen:
        pace = pace.after(each)
        assert min(LEAST, chosen) <= pace.rate <= chosen
    assert bool(pace.eased_to) == any(each != CALM for each in seen)


def test_the_requests_needed_are_those_of_the_judges_own_forecast_at_every_step() -> None:
    # 26 canary requests at 5 %, 64 at 20 % and 135 at 50 %, and all bad events cluster.
    assert requests_needed(PROFILE) == pytest.approx(1.5 * (26 * 20 + 64 * 5 + 135 * 2), rel=0.02)


def test_an_act_may_take_longer_where_less_is_sent_but_not_for_ever() -> None:
    needs = Needs(start_s=10.0, soak_s=35.0, requests=1600.0)
    assert needs.seconds(40.0) == 85.0
    assert needs.limit_s(40.0) > 3 * needs.seconds(40.0)
    assert needs.limit_s(10.0) > needs.limit_s(40.0)
    assert needs.limit_s(0.0) == needs.limit_s(LEAST)

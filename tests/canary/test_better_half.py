"""The better half of a tick never says more against the canary than the whole."""

from hypothesis import given
from hypothesis import strategies as st

from canary.measurement import Counts, PodCounts, Tick, better_half

PODS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=6)


def tick_of(rows: list[tuple[int, int]]) -> Tick:
    pods = [PodCounts(f"c{k}", {"errors": Counts(max(row), min(row))}) for k, row in enumerate(rows)]
    return Tick(0.0, 5.0, (PodCounts("s", {"errors": Counts(100, 1)}),), tuple(pods))


def test_the_pods_with_the_lowest_rates_are_kept_and_the_one_on_the_boundary_in_part() -> None:
    half = better_half("errors", tick_of([(10, 5), (10, 0), (6, 3), (4, 4)]), 0.0)
    # 15 of 30: all ten of the good pod, and five of the six whose every second request fails.
    assert half == (100, 1, 15, 2)


@given(PODS)
def test_half_of_the_requests_have_at_most_their_share_of_the_bad_ones(rows: list[tuple[int, int]]) -> None:
    tick = tick_of(rows)
    whole, half = tick.pair("errors"), better_half("errors", tick, 0.0)
    assert half.canary_n == (whole.canary_n + 1) // 2
    assert half.canary_x * whole.canary_n <= whole.canary_x * half.canary_n

import math

from hypothesis import given
from hypothesis import strategies as st

from canary.measure.counters import ALL
from canary.measure.latency import choose_edge


def test_the_edge_is_the_one_that_the_slowest_hundredth_exceeds() -> None:
    within = {"10": 4000, "25": 8000, "50": 9700, "100": 9920, "250": 9999, ALL: 10_000}
    assert choose_edge(within) == "100"  # tails: 60, 20, 3, 0.8 and 0.01 %


def test_nearness_is_a_ratio_not_a_difference() -> None:
    assert choose_edge({"50": 9700, "100": 9960, ALL: 10_000}) == "100"  # 3 % is further than 0.4 %


def test_edges_are_ordered_as_numbers() -> None:
    assert choose_edge({"5": 1000, "25": 1000, "100": 1000, ALL: 1000}) == "5"


def test_an_edge_that_nobody_exceeds_is_better_than_one_that_all_exceed() -> None:
    assert choose_edge({"1": 0, "250": 0, "500": 0, "750": 700, "1000": 700, ALL: 700}) == "750"


def test_too_few_requests_choose_nothing() -> None:
    assert choose_edge({"50": 99, ALL: 99}) is None
    assert choose_edge({}) is None


def test_a_histogram_without_edges_chooses_nothing() -> None:
    assert choose_edge({ALL: 1000}) is None


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8))
def test_no_other_edge_is_nearer(counts: list[int]) -> None:
    within = {str(10 * (k + 1)): count for k, count in enumerate(sorted(counts))} | {ALL: 5000}
    chosen = choose_edge(within)
    assert chosen is not None

    def distance(le: str) -> float:
        return abs(math.log((5000 - within[le] + 0.5) / 5001 / 0.01))

    assert all(distance(chosen) <= distance(le) for le in within if le != ALL)

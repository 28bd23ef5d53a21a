"""Limits on what single pods may say: they keep the expectation, and an error more never helps the canary."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.judge.evidence import HarmCase
from canary.judge.ledger import Ledger
from canary.judge.statistics import mass, mean
from canary.measure.counts import Counts, PodCounts, Tick, better_half
from tests.canary.worlds import ERRORS_ONLY, FIRST, after_history, pod_tick

ROWS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=6)
STABLE, PODS = 5, (2, 2, 1)
HISTORY = after_history()


def tick_of(rows: list[tuple[int, int]]) -> Tick:
    pods = [PodCounts(f"c{k}", {"errors": Counts(max(row), min(row))}) for k, row in enumerate(rows)]
    return Tick(0.0, 5.0, (PodCounts("s", {"errors": Counts(100, 1)}),), tuple(pods))


def one_more(rows: list[tuple[int, int]], pod: int) -> list[tuple[int, int]]:
    """Return the rows with one failure more, if there is a request that could have failed."""
    n, x = max(rows[pod]), min(rows[pod])
    return [*rows[:pod], (n, min(x + 1, n)), *rows[pod + 1 :]]


def weakest(ledger: Ledger) -> tuple[float, float]:
    """Return the least that is said to HARM and to the breaker, whatever pod is left out."""
    cases: tuple[HarmCase, ...] = ledger.metrics[0].fair
    return min(case.harm_value for case in cases), min(mean(case.breaker, 0.0) for case in cases)


def chance(n: int, x: int, p: float) -> float:
    return math.comb(n, x) * p**x * (1 - p) ** (n - x)


def test_the_pods_with_the_lowest_rates_are_kept_and_the_one_on_the_boundary_in_part() -> None:
    half = better_half("errors", tick_of([(10, 5), (10, 0), (6, 3), (4, 4)]), 0.0)
    # 15 of 30: all ten of the good pod, and five of the six whose every second request fails.
    assert half == (100, 1, 15, 2)


@given(ROWS)
def test_half_of_the_requests_have_at_most_their_share_of_the_bad_ones(rows: list[tuple[int, int]]) -> None:
    tick = tick_of(rows)
    whole, half = tick.pair("errors"), better_half("errors", tick, 0.0)
    assert half.canary_n == (whole.canary_n + 1) // 2
    assert half.canary_x * whole.canary_n <= whole.canary_x * half.canary_n


@given(ROWS, st.integers(0, 1))
def test_one_more_canary_error_at_any_pod_never_lowers_the_evidence(
    rows: list[tuple[int, int]], pod: int
) -> None:
    fewer, more = (HISTORY.observe(tick_of(each), ERRORS_ONLY, FIRST) for each in (rows, one_more(rows, pod)))
    for less, greater in zip(weakest(fewer), weakest(more), strict=True):
        assert greater >= less * (1 - 1e-12)


def expectation(stable: float, canary: float, part: int) -> float:
    """Return what the weakest case says on average after one tick, over all that may happen."""
    total = 0.0
    for x_s, *bad in product(*(range(n + 1) for n in (STABLE, *PODS))):
        rows = list(zip(PODS, bad, strict=True))
        weight = chance(STABLE, x_s, stable) * math.prod(chance(n, x, canary) for n, x in rows)
        tick = pod_tick(0, (STABLE, x_s), {f"c{k}": row for k, row in enumerate(rows)})
        total += weight * weakest(Ledger.empty(ERRORS_ONLY).observe(tick, ERRORS_ONLY, FIRST))[part]
    return total


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.4])
@pytest.mark.parametrize("part", [0, 1])
def test_the_evidence_of_several_pods_expects_at_most_its_prior_mass(rate: float, part: int) -> None:
    null = (ERRORS_ONLY.metrics[0].tolerated, ERRORS_ONLY.metrics[0].breaker)[part]
    assert null is not None
    assert expectation(rate, null.of(rate), part) <= mass(1, 0, first=True) + 1e-12

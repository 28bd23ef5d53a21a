import math
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.judge.statistics import HARM_GRID, SAFE_GRID, add, grow, log_harm, log_safe, mass, mcnemar, mean
from canary.measure.counts import Pair

RATES = (0.0, 0.002, 0.05, 0.3, 0.9)
SIZES = ((1, 1), (2, 3), (6, 2), (12, 1))


def chances(n: int, p: float) -> list[float]:
    return [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]


def expectation(n_s: int, p_s: float, n_c: int, p_c: float, log_e: object) -> float:
    assert callable(log_e)
    return sum(
        a * b * math.exp(log_e(Pair(n_s, x_s, n_c, x_c)))
        for x_s, a in enumerate(chances(n_s, p_s))
        for x_c, b in enumerate(chances(n_c, p_c))
    )


def test_harm_gives_the_worked_cases() -> None:
    assert log_harm(Pair(475, 2, 25, 3), 3, 1.1, 1e-4) == pytest.approx(2.7722424593130155, abs=1e-6)
    assert log_harm(Pair(0, 0, 100, 9), 2, 0, 0.05) == pytest.approx(1.2383246250395077, abs=1e-6)


def test_safe_gives_the_worked_cases() -> None:
    assert log_safe(Pair(250, 1, 250, 0), 0.95, 1.5, 0.005) == pytest.approx(2.0733315243894466, abs=1e-6)
    assert log_safe(Pair(0, 0, 200, 8), 0.4, 0, 0.10) == pytest.approx(3.9133950098720742, abs=1e-6)


def test_masses_give_the_worked_cases() -> None:
    assert mass(1, 0, first=True) == pytest.approx(0.5, abs=1e-6)
    assert mass(13, 1, first=True) == pytest.approx(0.2010989010989011, abs=1e-6)


def test_mcnemar_gives_the_worked_cases() -> None:
    assert mcnemar(9, 1) == pytest.approx(0.0107421875, abs=1e-6)
    assert mcnemar(10, 1) == pytest.approx(0.00585937500000001, abs=1e-6)


def test_mcnemar_is_certain_of_nothing_without_discordant_pairs() -> None:
    assert mcnemar(0, 0) == 1.0


def test_mcnemar_bears_thousands_of_pairs() -> None:
    assert 0 < mcnemar(1600, 1400) < 0.01


@pytest.mark.parametrize(("rho", "d"), [(1.1, 1e-4), (1.0, 0.005), (0.0, 0.05), (2.0, 0.1)])
def test_harm_expects_at_most_one_when_the_canary_is_as_good_as_tolerated(rho: float, d: float) -> None:
    def expected(alternative: float, n_s: int, n_c: int, p_s: float) -> float:
        p_c = min(1.0, rho * p_s + d)
        return expectation(n_s, p_s, n_c, p_c, lambda pair: log_harm(pair, alternative, rho, d))

    values = {
        (bet, *size, p_s): expected(bet, *size, p_s) for bet, size, p_s in product(HARM_GRID, SIZES, RATES)
    }
    assert {case: value for case, value in values.items() if value > 1 + 1e-12} == {}


@pytest.mark.parametrize(("rho", "d"), [(1.5, 0.005), (1.25, 0.0005), (0.0, 0.1), (3.0, 0.25)])
def test_safe_expects_at_most_one_when_the_canary_is_as_bad_as_stated(rho: float, d: float) -> None:
    def expected(bet: float, n_s: int, n_c: int, p_s: float) -> float:
        return expectation(n_s, p_s, n_c, rho * p_s + d, lambda pair: log_safe(pair, bet, rho, d))

    rates = [p_s for p_s in RATES if rho * p_s + d <= 1]
    values = {
        (bet, *size, p_s): expected(bet, *size, p_s) for bet, size, p_s in product(SAFE_GRID, SIZES, rates)
    }
    assert {case: value for case, value in values.items() if value > 1 + 1e-12} == {}


@given(
    st.integers(1, 500),
    st.integers(0, 500),
    st.integers(1, 500),
    st.integers(0, 499),
    st.sampled_from(HARM_GRID),
)
def test_one_more_canary_error_never_lowers_the_evidence_of_harm(
    n_s: int, x_s: int, n_c: int, x_c: int, alternative: float
) -> None:
    x_s, x_c = min(x_s, n_s), min(x_c, n_c - 1)
    fewer, more = Pair(n_s, x_s, n_c, x_c), Pair(n_s, x_s, n_c, x_c + 1)
    assert log_harm(more, alternative, 1.1, 1e-4) > log_harm(fewer, alternative, 1.1, 1e-4)
    for bet in SAFE_GRID:
        assert log_safe(more, bet, 1.5, 0.005) < log_safe(fewer, bet, 1.5, 0.005)


@pytest.mark.parametrize("pair", [Pair(0, 0, 10, 3), Pair(10, 1, 0, 0), Pair(0, 0, 0, 0)])
def test_without_requests_of_both_versions_nothing_is_learned(pair: Pair) -> None:
    assert log_harm(pair, 6, 1.1, 1e-4) == 0
    assert log_safe(pair, 0.4, 1.5, 0.005) == 0


@given(st.lists(st.integers(1, 400), max_size=6))
def test_masses_of_a_rollout_never_exceed_one(lengths: list[int]) -> None:
    total, tick = 0.0, 0
    for step, length in enumerate(lengths):
        for index in range(length):
            tick += 1
            total += mass(tick, step, first=index == 0)
    assert total <= 1 + 1e-12


@given(st.lists(st.tuples(st.floats(0.001, 1), st.floats(-30, 7)), min_size=1, max_size=30))
def test_grown_logs_equal_the_sum_over_all_change_points(ticks: list[tuple[float, float]]) -> None:
    logs: tuple[float, ...] = ()
    for weight, gain in ticks:
        logs = grow(logs, (gain,), weight)
    by_definition = sum(
        weight * math.exp(math.fsum(gain for _, gain in ticks[start:]))
        for start, (weight, _) in enumerate(ticks)
    )
    assert math.exp(logs[0]) == pytest.approx(by_definition, rel=1e-9)


def test_added_logs_are_products() -> None:
    assert add(add((), (0.5, 1.0)), (0.25, -1.0)) == (0.75, 0.0)


def test_a_mean_of_huge_values_does_not_overflow() -> None:
    values = [mean((log, log), 0.0) for log in (0.0, 600.0, 5000.0, 10000.0)]
    assert values[0] == 1.0
    assert all(a <= b < math.inf for a, b in pairwise(values))


def test_a_mean_of_nothing_is_what_it_is_said_to_be() -> None:
    assert mean((), 0.0) == 0.0

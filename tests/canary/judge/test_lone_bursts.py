"""Bursts of single pods say little about a version."""

from dataclasses import replace

from canary.judge.balance import fair_balance, whole_balance
from canary.judge.ledger import Ledger
from tests.canary.worlds import ERRORS_ONLY, TICK_S, after_history, observed, pod_tick

Row = dict[str, tuple[int, int]]
CALM: Row = {"a": (8, 0), "b": (8, 0), "c": (8, 0)}


def after(rows: list[Row]) -> Ledger:
    ticks = [pod_tick(600 + TICK_S * k, (475, 1), row) for k, row in enumerate(rows)]
    return observed(after_history(), ticks)


def bursts_of(*pods: str) -> list[Row]:
    """Return two minutes in which each of these pods has a bad 15 seconds, one after the other."""
    rows = [CALM] * 24
    for number, pod in enumerate(pods):
        rows[6 * number : 6 * number + 3] = [CALM | {pod: (8, 6)}] * 3
    return rows


def test_pods_that_fail_one_after_the_other_do_not_convict_the_version() -> None:
    ledger = after(bursts_of("a", "b"))
    assert whole_balance(ledger, ERRORS_ONLY).total >= 100
    assert fair_balance(ledger, ERRORS_ONLY).total < 100


def test_without_the_limit_they_would() -> None:
    limitless = replace(ERRORS_ONLY, lone_gain=7.0)
    ledger = after_history(limitless)
    for k, row in enumerate(bursts_of("a", "b")[:12]):
        ledger = observed(ledger, [pod_tick(600 + TICK_S * k, (475, 1), row)], limitless)
    assert fair_balance(ledger, limitless).total >= 100


def test_pods_that_fail_together_convict_it_as_fast_as_ever() -> None:
    together: Row = {"a": (8, 6), "b": (8, 6), "c": (8, 6)}
    assert fair_balance(after([together] * 2), ERRORS_ONLY).total >= 100


def test_two_pods_of_four_that_fail_at_once_do_not_trip_the_breaker_and_all_four_do() -> None:
    calm: Row = dict.fromkeys("abcd", (60, 0))
    two = after([calm | {"a": (60, 30), "b": (60, 30)}] * 3)
    assert fair_balance(two, ERRORS_ONLY).breaker < 1
    four = after([dict.fromkeys("abcd", (60, 30))] * 2)
    assert fair_balance(four, ERRORS_ONLY).breaker >= 100


def test_two_pods_of_four_that_go_on_failing_convict_the_version() -> None:
    row: Row = {"a": (60, 30), "b": (60, 30), "c": (60, 0), "d": (60, 0)}
    assert fair_balance(after([row] * 24), ERRORS_ONLY).total >= 100


def test_a_version_of_one_pod_is_judged_by_that_pod() -> None:
    assert fair_balance(after([{"a": (25, 25)}] * 2), ERRORS_ONLY).total >= 100

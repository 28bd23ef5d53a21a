"""A metric that nobody counts takes no part of the evidence, and may begin to be counted at any time."""

import math
from dataclasses import replace
from itertools import product

import pytest

from canary.judge.balance import fair_balance
from canary.judge.ledger import Ledger
from canary.judge.policy import Margin, Metric
from canary.judge.profiles import DEFAULT, ERRORS, FEEDBACK, LOWCONF, SLOW
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage
from canary.judge.statistics import HARM_GRID, log_harm, mass
from canary.measure.counts import Counts, Pair, PodCounts, Tick
from tests.canary.worlds import BAKE, FIRST, HISTORY, TICK_S, Numbers, verdict

Counted = dict[str, Numbers]


def tick(at: float, counted: Counted) -> Tick:
    """Return a tick in which each metric has (n_s, x_s, n_c, x_c)."""
    stable = {name: Counts(n_s, x_s) for name, (n_s, x_s, _, _) in counted.items()}
    canary = {name: Counts(n_c, x_c) for name, (_, _, n_c, x_c) in counted.items()}
    return Tick(at, TICK_S, (PodCounts("s", stable, 1e3),), (PodCounts("c", canary, 1e3),))


def watched(history: Counted, *ticks: Counted) -> Ledger:
    """Return the ledger of the default profile after a history and some ticks of the first weight."""
    ledger = Ledger.empty(DEFAULT)
    for k in range(HISTORY):
        ledger = ledger.observe(tick(TICK_S * k, history), DEFAULT, Stage())
    for k, each in enumerate(ticks):
        ledger = ledger.observe(tick(600 + TICK_S * k, each), DEFAULT, FIRST)
    return ledger


def harm(pair: Pair, metric: Metric) -> float:
    """Compute E of HARM of the first tick by its definition, phi being 1."""
    null = metric.tolerated
    logs = (min(log_harm(pair, r, null.ratio, null.added), 2.5) for r in HARM_GRID)
    return 0.5 * sum(map(math.exp, logs)) / len(HARM_GRID)  # mass(1, 0, first) = 0.5


@pytest.mark.parametrize("numbers", [[(57, 0, 3, 1)], [(475, 0, 25, 25)], [(475, 1, 25, 0)] * 12])
def test_where_only_errors_are_counted_they_have_all_the_evidence(numbers: list[Numbers]) -> None:
    alone = verdict(numbers)
    among_others = verdict(numbers, profile=DEFAULT)
    assert alone.report is not None
    assert among_others.report is not None
    assert among_others.report.evidence == pytest.approx(alone.report.evidence, rel=1e-12)


def test_metrics_that_are_counted_share_what_the_others_leave() -> None:
    """Of 0.5, 0.25, 0.15 and 0.1 for errors, slow, lowconf and feedback, the first two become 2/3 and 1/3."""
    errors, slow = (475, 0, 25, 3), (475, 5, 25, 1)
    ledger = watched({"errors": (500, 1, 0, 0), "slow": (500, 5, 0, 0)}, {"errors": errors, "slow": slow})
    found = fair_balance(ledger, DEFAULT)
    assert found.harm["errors"] == pytest.approx(0.9 * 2 / 3 * harm(Pair(*errors), ERRORS), rel=1e-12)
    assert found.harm["slow"] == pytest.approx(0.9 * 1 / 3 * harm(Pair(*slow), SLOW), rel=1e-12)
    assert (found.harm["lowconf"], found.harm["feedback"]) == (0, 0)


def test_without_a_history_the_metrics_share_that_must_always_be_proved() -> None:
    ledger = Ledger.empty(DEFAULT).observe(tick(5, {"errors": (475, 0, 25, 0)}), DEFAULT, FIRST)
    assert [bool(known.whole.harm) for known in ledger.metrics] == [True, True, False, False]
    optional = replace(DEFAULT, metrics=(LOWCONF, FEEDBACK))
    blind = Ledger.empty(optional).observe(tick(5, {}), optional, FIRST)
    assert sum(fair_balance(blind, optional).harm.values()) == pytest.approx(0.9 * mass(1, 0, first=True))


def test_a_metric_that_is_counted_from_the_middle_on_has_its_share_of_what_follows() -> None:
    clean: Counted = {"errors": (475, 1, 25, 0)}
    rated = clean | {"feedback": (95, 2, 20, 20)}
    before = watched({"errors": (500, 1, 0, 0)}, clean, clean)
    first = before.observe(tick(610, rated), DEFAULT, FIRST)
    assert fair_balance(first, DEFAULT).harm["feedback"] == 0  # it was not known before this tick
    second = first.observe(tick(615, rated), DEFAULT, FIRST)
    assert fair_balance(second, DEFAULT).harm["feedback"] > 0
    bad = second
    for k in range(8):
        bad = bad.observe(tick(620 + TICK_S * k, rated), DEFAULT, FIRST)
    assert judge(bad, DEFAULT, FIRST, Moment(660, 60)).reason == "harm"


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
def test_the_expectation_stays_below_the_mass_even_if_counting_begins_when_it_suits(rate: float) -> None:
    """All outcomes of three ticks of equal versions; feedback begins after a tick that clears the canary.

    The evidence is then below the mass, and sharing the whole total again would lift it: to 0.51 of 0.495.
    """
    null = Margin(1.0, 0.0)
    metrics = (replace(ERRORS, tolerated=null, breaker=None), replace(FEEDBACK, tolerated=null, weight=0.5))
    profile = replace(DEFAULT, metrics=metrics, phi_max=1.0)
    chances = ((0, 1 - rate), (1, rate))
    outcomes = [((1, x_s, 1, x_c), p * q) for (x_s, p), (x_c, q) in product(chances, chances)]
    begin = Ledger.empty(profile).observe(tick(0, {"errors": (9, 1, 0, 0)}), profile, Stage())

    def after(ledger: Ledger, depth: int, *, rated: bool) -> float:
        if depth == 3:
            return sum(fair_balance(ledger, profile).harm.values())
        expected = 0.0
        for (errors, p), (ratings, q) in product(outcomes, outcomes if rated else [((0, 0, 0, 0), 1.0)]):
            seen = {"errors": errors, "feedback": ratings}
            grown = ledger.observe(tick(5 + TICK_S * depth, seen), profile, FIRST)
            expected += p * q * after(grown, depth + 1, rated=rated or errors[1] > errors[3])
        return expected

    placed = sum(mass(k, 0, first=k == 1) for k in (1, 2, 3))
    assert after(begin, 0, rated=False) <= 0.9 * placed


def test_no_sentence_speaks_of_a_metric_that_nobody_counts() -> None:
    said = verdict([(0, 0, 500, 1)] * 12, profile=DEFAULT, stage=BAKE, elapsed=600)
    assert said.reason == "baked"
    assert "errors: canary 0.20 % vs 0.20 % of the stable before" in said.sentence
    assert not any(name in said.sentence for name in ("slow", "lowconf", "feedback"))

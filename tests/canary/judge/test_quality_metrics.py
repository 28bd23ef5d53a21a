"""Low confidence and feedback: counted by the pods, judged like errors."""

from dataclasses import replace

import pytest

from canary.judge.ledger import Ledger
from canary.judge.policy import Profile
from canary.judge.presence import is_fresh
from canary.judge.profiles import DEFAULT, ERRORS, FAST, FEEDBACK, LOWCONF, SHADOW
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage
from canary.judge.verdict import Verdict
from canary.measure.counters import CounterSnapshot, Cursor, Kind, Series, measure
from canary.measure.counts import Counts, PodCounts, Tick
from canary.prometheus.promql import kind_of, version_of
from tests.canary.worlds import FIRST, HISTORY, TICK_S

WATCHED = replace(DEFAULT, metrics=(ERRORS, LOWCONF))
Rows = dict[str, tuple[int, int]]


def tick(at: float, stable: Rows, canary: Rows | None = None) -> Tick:
    def pods(name: str, rows: Rows) -> tuple[PodCounts, ...]:
        return (PodCounts(name, {metric: Counts(*row) for metric, row in rows.items()}, 1000.0),)

    return Tick(at, TICK_S, pods("s", stable), pods("c", canary) if canary else ())


def said(stable: Rows, canary: Rows, *, ticks: int = 14, profile: Profile = WATCHED) -> Verdict:
    """Return the verdict after a history of the stable and some ticks of both."""
    ledger = Ledger.empty(profile)
    for k in range(HISTORY):
        ledger = ledger.observe(tick(TICK_S * k, stable), profile, Stage())
    for k in range(ticks):
        ledger = ledger.observe(tick(600 + TICK_S * k, stable, canary), profile, FIRST)
    return judge(ledger, profile, FIRST, Moment(600 + TICK_S * ticks, TICK_S * ticks))


def test_a_canary_that_is_unsure_of_its_answers_goes_back() -> None:
    verdict = said(
        {"errors": (475, 0), "lowconf": (300, 30)}, {"errors": (25, 0), "lowconf": (20, 18)}, ticks=6
    )
    assert verdict.reason == "harm"
    assert verdict.sentence.startswith("lowconf: canary 90.00 % vs stable 10.00 %")


def test_a_canary_as_sure_as_the_stable_goes_on() -> None:
    verdict = said({"errors": (475, 0), "lowconf": (300, 30)}, {"errors": (25, 0), "lowconf": (20, 2)})
    assert verdict.reason == "advance"
    assert "lowconf" in verdict.sentence


def test_confidence_need_not_be_proved_where_nobody_asks_for_masks() -> None:
    assert said({"errors": (475, 0)}, {"errors": (25, 0)}).reason == "advance"


def test_a_canary_that_counts_no_confidence_where_the_stable_does_is_not_cleared() -> None:
    verdict = said({"errors": (475, 0), "lowconf": (300, 30)}, {"errors": (25, 0)})
    assert verdict.reason == "collecting:lowconf"


def test_feedback_can_roll_back_but_is_never_waited_for() -> None:
    profile = replace(DEFAULT, metrics=(ERRORS, FEEDBACK))
    stable: Rows = {"errors": (475, 0), "feedback": (95, 2)}
    assert said(stable, {"errors": (25, 0)}, profile=profile).reason == "advance"
    bad = said(stable, {"errors": (25, 0), "feedback": (10, 10)}, profile=profile)
    assert bad.reason == "harm"


def test_the_profiles_hold_the_rows_of_the_metric_table() -> None:
    assert [metric.name for metric in DEFAULT.metrics] == ["errors", "slow", "lowconf", "feedback"]
    assert [metric.weight for metric in DEFAULT.metrics] == [0.5, 0.25, 0.15, 0.1]
    assert "lowconf" in [metric.name for metric in FAST.metrics]
    assert SHADOW.tolerated.ratio == 0


def series(kind: Kind, value: float, at: float = 10.0) -> Series:
    return Series(str(kind), "pod-a", "1.1", "pod-a", kind, value, value, at)


def test_what_the_pods_count_stands_beside_what_the_proxies_count() -> None:
    before = CounterSnapshot(10, (series(Kind.ANSWERED, 5), series(Kind.SCORED, 3), series(Kind.UNSURE, 1)))
    after = CounterSnapshot(
        15, (series(Kind.ANSWERED, 9, 15), series(Kind.SCORED, 7, 15), series(Kind.UNSURE, 3, 15))
    )
    counted = measure(Cursor.at_snapshot(before), after, "1.0", "1.1", None).canary[0].metrics
    assert counted["lowconf"] == Counts(4, 2)
    assert counted["errors"] == Counts(4, 0)


def test_new_samples_of_the_pods_alone_are_no_new_samples() -> None:
    """Otherwise a tick would count as evidence while the proxies' counters stood still."""
    before = CounterSnapshot(10, (series(Kind.ANSWERED, 5), series(Kind.SCORED, 3)))
    after = CounterSnapshot(15, (series(Kind.ANSWERED, 5, 10), series(Kind.SCORED, 7, 15)))
    seen = measure(Cursor.at_snapshot(before), after, "1.0", "1.1", None)
    assert not is_fresh(replace(seen, fresh_stable=True), weight=5)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        ({"__name__": "bertmesh_answers_total"}, Kind.SCORED),
        ({"__name__": "bertmesh_low_confidence_total"}, Kind.UNSURE),
        ({"__name__": "bertmesh_feedback_total", "rating": "good"}, Kind.PRAISED),
        ({"__name__": "bertmesh_feedback_total", "rating": "bad"}, Kind.BLAMED),
        ({"__name__": "bertmesh_feedback_total", "rating": "so-so"}, None),
        ({"__name__": "bertmesh_shadow_compared_total"}, Kind.COMPARED),
        ({"__name__": "bertmesh_shadow_disagreed_total"}, Kind.DIFFERED),
    ],
)
def test_the_pods_counters_are_known_by_name(labels: dict[str, str], kind: Kind | None) -> None:
    assert kind_of({**labels, "model_version": "1.1", "pod": "a"}) is kind
    assert version_of({**labels, "model_version": "1.1"}) == "1.1"

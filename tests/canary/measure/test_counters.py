from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.measure.counters import ALL, CounterSnapshot, Cursor, Kind, Series, measure
from canary.measure.counts import Counts, Tick

EDGE = "100"


def series(value: float, at: float = 10.0, **changes: object) -> Series:
    whole = Series("k", "envoy", "1.1", "pod-a", Kind.ANSWERED, value, value, at)
    return replace(whole, **changes)  # type: ignore[arg-type] # a test's shorthand


def snapshot(at: float, *members: Series, **started: float) -> CounterSnapshot:
    return CounterSnapshot(at, tuple(replace(each, at=at) for each in members), started)


def between(before: CounterSnapshot, after: CounterSnapshot) -> Tick:
    return measure(Cursor.at_snapshot(before), after, "1.0", "1.1", EDGE)


def errors(tick: Tick) -> Counts:
    return sum((pod.metrics["errors"] for pod in tick.canary), Counts())


def test_a_counter_counts_by_its_growth() -> None:
    tick = between(snapshot(10, series(100)), snapshot(15, series(130)))
    assert errors(tick) == Counts(30, 0)
    assert tick.seconds == 5


def test_a_counter_that_dropped_began_anew() -> None:
    assert errors(between(snapshot(10, series(100)), snapshot(15, series(7)))) == Counts(7, 0)


def test_growth_is_taken_per_series_before_it_is_added_up() -> None:
    before = snapshot(10, series(100), series(50, key="b", pod="pod-b"))
    after = snapshot(15, series(3), series(60, key="b", pod="pod-b"))
    assert errors(between(before, after)) == Counts(13, 0)


def test_a_new_series_of_a_known_exporter_began_at_zero() -> None:
    before = snapshot(10, series(100))
    after = snapshot(15, series(100), series(4, key="b", kind=Kind.FAILED))
    assert errors(between(before, after)) == Counts(4, 4)


def test_a_new_exporter_counts_from_its_first_sample() -> None:
    new = series(40, key="b", instance="pod-b", pod="pod-b", first=25.0)
    assert errors(between(snapshot(10, series(100)), snapshot(15, series(100), new))) == Counts(15, 0)


def test_a_new_exporter_whose_pod_is_younger_than_the_last_scrape_counts_from_zero() -> None:
    new = series(40, key="b", instance="pod-b", pod="pod-b", first=25.0)
    after = snapshot(15, series(100), new, **{"pod-b": 12.0})
    assert errors(between(snapshot(10, series(100)), after)) == Counts(40, 0)


def test_a_series_that_was_away_goes_on_where_it_was() -> None:
    cursor = Cursor.at_snapshot(snapshot(10, series(100), series(5, key="b", pod="pod-b")))
    cursor = cursor.moved(snapshot(15, series(110)))
    tick = measure(cursor, snapshot(20, series(110), series(8, key="b", pod="pod-b")), "1.0", "1.1", EDGE)
    assert errors(tick) == Counts(3, 0)


def test_a_series_that_was_away_for_long_is_forgotten() -> None:
    cursor = Cursor.at_snapshot(snapshot(10, series(100), series(5, key="b")))
    assert "b" in cursor.moved(snapshot(600, series(110))).values
    assert "b" not in cursor.moved(snapshot(611, series(110))).values


def test_slow_requests_are_those_above_the_edge() -> None:
    before = snapshot(10, _bucket(0, EDGE), _bucket(0, ALL))
    tick = between(before, snapshot(15, _bucket(90, EDGE), _bucket(100, ALL)))
    assert tick.canary[0].metrics["slow"] == Counts(100, 10)


def test_a_bucket_never_holds_more_than_all_requests() -> None:
    before = snapshot(10, _bucket(0, EDGE), _bucket(0, ALL))
    tick = between(before, snapshot(15, _bucket(101, EDGE), _bucket(100, ALL)))
    assert tick.canary[0].metrics["slow"] == Counts(100, 0)


def _bucket(value: float, le: str) -> Series:
    return series(value, key=f"le-{le}", kind=Kind.WITHIN, le=le)


def test_what_only_the_gateway_saw_fail_counts_against_no_pod() -> None:
    before = snapshot(10, series(0))
    after = snapshot(15, series(0), series(6, key="s", kind=Kind.UNREACHED, pod=""))
    lost = between(before, after).canary[-1]
    assert (lost.pod, lost.metrics["errors"]) == ("", Counts(6, 6))


def test_a_request_given_up_is_counted_once() -> None:
    before = snapshot(10, series(0))
    taken = series(4, key="d", kind=Kind.BROKEN_OFF)
    given_up = series(5, key="s", kind=Kind.GIVEN_UP, pod="")
    assert errors(between(before, snapshot(15, taken, given_up))) == Counts(5, 5)
    assert errors(between(before, snapshot(15, taken))) == Counts(4, 4)


def test_a_version_is_fresh_if_it_has_a_newer_sample() -> None:
    stable = series(1, key="s", version="1.0")
    before = snapshot(10, stable, series(1))
    after = CounterSnapshot(15, (replace(stable, at=14.0), replace(series(1), at=10.0)))
    tick = between(before, after)
    assert (tick.fresh_stable, tick.fresh_canary) == (True, False)


def test_a_version_without_any_series_is_not_fresh() -> None:
    tick = between(snapshot(10), snapshot(15, series(1, key="s", version="1.0")))
    assert (tick.fresh_stable, tick.fresh_canary) == (True, False)


def test_the_gateway_s_count_tells_that_a_canary_gets_requests() -> None:
    before = snapshot(10, series(0))
    after = snapshot(15, series(9, key="s", kind=Kind.ROUTED, pod=""))
    assert between(before, after).canary_seen == 9


def test_a_pod_s_age_counts_from_its_first_answers() -> None:
    cursor = Cursor.at_snapshot(snapshot(10, series(100)))
    assert measure(cursor, snapshot(15, series(120)), "1.0", "1.1", EDGE).canary[0].age_s == 0
    cursor = cursor.moved(snapshot(15, series(120)), ["pod-a"])
    assert measure(cursor, snapshot(20, series(140)), "1.0", "1.1", EDGE).canary[0].age_s == 5


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=20), st.data())
def test_counts_add_up_however_often_one_looks(values: list[int], data: st.DataObject) -> None:
    rising = sorted(values)
    stops = sorted(data.draw(st.sets(st.integers(1, len(rising) - 1))) | {len(rising) - 1})
    cursor, seen = Cursor.at_snapshot(snapshot(0, series(rising[0]))), 0
    for stop in stops:
        after = snapshot(stop, series(rising[stop]))
        seen += errors(measure(cursor, after, "1.0", "1.1", EDGE)).requests
        cursor = cursor.moved(after)
    assert seen == rising[-1] - rising[0]


def test_more_bad_events_than_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="5 of 4"):
        Counts(4, 5)

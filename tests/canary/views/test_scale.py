from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.views.scale import LEFT, RIGHT, TimeAxis, harm, place, safe, since


@pytest.mark.parametrize(
    ("value", "at"), [(0.0, 0), (0.01, 0), (1, 33.33), (100, 66.67), (1e4, 100), (1e30, 100)]
)
def test_evidence_has_its_place_on_a_scale_from_a_hundredth_to_ten_thousand(value: float, at: float) -> None:
    assert place(value) == at


@given(st.floats(0, 1e300), st.floats(0, 1e300))
def test_more_evidence_is_never_shown_as_less(one: float, other: float) -> None:
    assert place(min(one, other)) <= place(max(one, other))


@pytest.mark.parametrize(("value", "tone"), [(0.99, "calm"), (1, "warn"), (99.9, "warn"), (100, "bad")])
def test_harm_is_suspect_from_1_and_bad_from_100(value: float, tone: str) -> None:
    assert harm(value, 100, 1, "").tone == tone


def test_safety_is_proved_once_it_is_enough() -> None:
    assert [safe(value, 20, "").tone for value in (19.9, 20)] == ["open", "proved"]


@given(st.floats(0, 1e7))
def test_an_axis_has_at_most_seven_labels_and_all_of_them_on_it(seconds: float) -> None:
    ticks = TimeAxis(1000.0, 1000.0 + seconds).ticks()
    assert 1 <= len(ticks) <= 7
    assert all(LEFT <= tick.at <= RIGHT for tick in ticks)


def test_a_curve_is_steps_without_gaps_up_to_the_end() -> None:
    spans = TimeAxis(0.0, 100.0).spans([(0.0, 0), (20.0, 5), (50.0, 20)])
    assert [span.weight for span in spans] == [0, 5, 20]
    assert (spans[0].left, spans[-1].right) == (LEFT, RIGHT)
    assert all(a.right == b.left for a, b in pairwise(spans))


def test_times_are_minutes_and_seconds_and_hours_if_need_be() -> None:
    assert [since(seconds) for seconds in (5, 95, 3700)] == ["0:05", "1:35", "1:01:40"]

"""Durations: read and written as the Gateway API has them, whatever the library behind would also take."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.duration import PATTERN, seconds, text


@pytest.mark.parametrize(
    ("written", "value"), [("60s", 60.0), ("1h30m", 5400.0), ("250ms", 0.25), ("1m500ms", 60.5), ("0s", 0.0)]
)
def test_a_duration_is_read(written: str, value: float) -> None:
    assert seconds(written) == value


@pytest.mark.parametrize(
    "written", ["", "5", "1.5s", "-1s", "1d", "1us", "ten minutes", "1s ", "1s, 2s", 5, None]
)
def test_what_the_api_server_would_refuse_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match=re.escape(f"like 30s, 1h30m or 500ms, got {written!r}")):
        seconds(written)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0s"), (0.25, "250ms"), (1.5, "1s500ms"), (90, "1m30s"), (86400, "24h"), (3600.001, "1h1ms")],
)
def test_a_duration_is_written(value: float, written: str) -> None:
    assert text(value) == written


@given(st.integers(0, 99_999 * 3_600_000))
def test_what_is_written_is_a_duration_and_is_read_as_the_same(milliseconds: int) -> None:
    written = text(milliseconds / 1000)
    assert re.fullmatch(PATTERN, written)
    assert round(seconds(written) * 1000) == milliseconds

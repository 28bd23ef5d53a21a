"""Gunicorn's log of a pod."""

from datetime import timedelta

import pytest

from service.server.log import Log


def test_a_line_of_access_that_goes_nowhere_is_not_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*_: object) -> None:
        pytest.fail("its parts were put together")

    monkeypatch.setattr(Log, "atoms", made)
    Log.__new__(Log).access(None, None, {}, timedelta())  # of its state it needs nothing for that

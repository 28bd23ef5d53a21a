"""Restarts with backoff."""

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bertmesh.local.keeper import FIRST_PAUSE_S, LONGEST_PAUSE_S, Backoff, ProcessKeeper
from bertmesh.local.logs import last_words
from bertmesh.local.processes import Command


def test_the_pause_doubles_with_each_failure_up_to_a_limit() -> None:
    backoff, pauses = Backoff(), []
    for _ in range(9):
        backoff = backoff.after_exit(started=0.0, now=1.0)
        pauses.append(backoff.not_before - 1.0)
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE_S


@given(failures=st.integers(0, 40))
def test_a_process_that_lived_long_is_started_again_at_once(failures: int) -> None:
    after = Backoff(failures, 0.0).after_exit(started=0.0, now=100.0)
    assert after.not_before == 100.0 + FIRST_PAUSE_S


def test_a_process_that_ends_is_started_again_after_its_pause(tmp_path: Path) -> None:
    now = [0.0]
    keeper = ProcessKeeper(
        "brief",
        lambda: Command([sys.executable, "-c", "print('here'); raise SystemExit(3)"], {}),
        home=tmp_path,
        log=tmp_path / "brief.log",
        clock=lambda: now[0],
    )
    keeper.poll()
    assert keeper.child is not None
    keeper.child._process.wait()
    assert keeper.poll()
    assert (keeper.running, keeper.last_exit) == (False, 3)
    now[0] = FIRST_PAUSE_S
    keeper.poll()
    assert (keeper.running, keeper.starts) == (True, 2)
    assert keeper.child is not None
    keeper.child._process.wait()
    assert last_words(keeper.log) == "here"
    keeper.child.kill()

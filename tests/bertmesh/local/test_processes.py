"""Children end surely, strays are found by their mark, and nobody else is touched."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bertmesh.local.logs import last_words
from bertmesh.local.processes import Child, Command, kill_strays, stop_all
from tests.support.processes import wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF_PROGRAM = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
PARENT_PROGRAM = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
DEAF = [sys.executable, "-c", DEAF_PROGRAM]
PARENT = [sys.executable, "-c", PARENT_PROGRAM]


def start(tmp_path: Path, words: list[str], home: Path | None = None) -> Child:
    return Child("child", Command(words, {}), home=home or tmp_path, log=tmp_path / "child.log")


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = start(tmp_path, DEAF)
    wait_until(lambda: last_words(child.log) == "deaf")
    stop_all([child], patience_s=0.2)
    assert child.exit_code() == -9


def test_stopping_a_child_ends_its_own_children_too(tmp_path: Path) -> None:
    child = start(tmp_path, PARENT)
    wait_until(lambda: last_words(child.log).isdigit())
    grandchild = psutil.Process(int(last_words(child.log)))
    stop_all([child], patience_s=5)
    wait_until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_strays_of_this_home_are_killed_and_those_of_another_are_not(tmp_path: Path) -> None:
    mine, other = start(tmp_path, SLEEP), start(tmp_path, SLEEP, home=tmp_path / "other")
    try:
        assert kill_strays(tmp_path) == [mine.pid]
        assert other.exit_code() is None
    finally:
        mine.kill()
        other.kill()


def test_an_unmarked_process_is_never_a_stray(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP) as bystander:
        try:
            assert kill_strays(tmp_path) == []
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_a_missing_program_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        start(tmp_path, ["/no/such/program"])

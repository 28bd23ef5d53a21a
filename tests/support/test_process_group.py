"""Whoever starts a server may be killed at any moment; the server, and what it started, end too."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchmarks.serving.processes import running
from tests.support.processes import LIMIT_S, wait_until

# A starter that says which processes it has: a server, and a child of the server that heeds no signal.
STARTER = """
import pathlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have them ignored
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.path.insert(0, {root!r})
from benchmarks.serving.processes import running
server = "trap '' TERM INT HUP; sleep 600 & echo $! > {folder}/child; wait"
with running(["/bin/sh", "-c", server], {{}}, pathlib.Path("{folder}/log")) as process:
    pathlib.Path("{folder}/server").write_text(str(process.pid))
    time.sleep(600)
"""


def is_there(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def number(path: Path) -> int:
    text = path.read_text() if path.exists() else ""
    return int(text) if text.strip() else 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_servers_end_with_a_benchmark_that_is_ended_in_any_way(tmp_path: Path, how: signal.Signals) -> None:
    root = str(Path(__file__).parents[2])
    words = [sys.executable, "-c", STARTER.format(root=root, folder=tmp_path)]
    starter = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(lambda: number(tmp_path / "server") and number(tmp_path / "child"), "the server runs")
    finally:
        starter.send_signal(how)
        starter.wait(LIMIT_S)
    left = [number(tmp_path / name) for name in ("server", "child")]
    wait_until(lambda: not any(map(is_there, left)), "nothing is left")


def test_a_block_that_ends_ends_its_server_and_leaves_nothing(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    with running(["sleep", "600"], {}, tmp_path / "log") as process:
        assert process.pid in {child.pid for child in psutil.Process().children()}
        assert os.getpgid(process.pid) == process.pid
    assert {child.pid for child in psutil.Process().children()} == before

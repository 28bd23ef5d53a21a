"""Starts a local mesh in the background, and ends one from outside."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import psutil

from bertmesh.errors import DetachedStartFailed, MeshNotRunning
from bertmesh.local.home import Home, MeshInfo
from bertmesh.local.logs import last_words
from bertmesh.local.processes import kill_strays

STOP_LIMIT_S = 45.0
# The mesh gives up by itself where a part hangs, and says which; this is for a supervisor that hangs.
START_LIMIT_S = 900.0


def start_detached(home: Home, words: Sequence[str]) -> MeshInfo:
    """Start `bertmesh WORDS` in the background and wait until its mesh is ready.

    Raises:
        DetachedStartFailed: it ended, or was not ready in time; its last words are in the message.
    """
    log = home.log("mesh")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bertmesh", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _await_ready(home, process)
    except BaseException:
        process.terminate()
        process.wait(STOP_LIMIT_S)
        raise


def _await_ready(home: Home, process: subprocess.Popen[bytes]) -> MeshInfo:
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(MeshNotRunning):
            info = home.info()
            if info.ready and info.pid == process.pid:
                return info
        time.sleep(0.1)
    raise DetachedStartFailed(last_words(home.log("mesh")), home.log("mesh"))


def end_mesh(home: Home) -> str:
    """End the mesh of a home; return what was done in words, or nothing if there was nothing to do."""
    try:
        supervisor = psutil.Process(home.info().pid)
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(timeout=STOP_LIMIT_S)
    except (MeshNotRunning, psutil.NoSuchProcess):
        strays = kill_strays(home.root)
        home.info_file.unlink(missing_ok=True)
        return f"ended {len(strays)} processes that a killed mesh had left" if strays else ""
    except psutil.TimeoutExpired:
        supervisor.kill()
        kill_strays(home.root)
        return f"the mesh did not end within {STOP_LIMIT_S:.0f} s and was killed"
    return "the local mesh has ended"

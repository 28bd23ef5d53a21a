"""Child processes: started in a session of their own, marked, and surely ended.

Each child carries the home's path in its environment. After a kill -9 of the supervisor the next
start finds exactly its own strays by that mark: a recorded process id could by then belong to
somebody else.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "BERTMESH_LOCAL_HOME"
LOG_LIMIT_BYTES = 20_000_000


@dataclass(frozen=True)
class Command:
    """What to run: the words of the command line and what is added to the environment."""

    words: Sequence[str]
    environment: Mapping[str, str]


class Child:
    """One running child process (with whatever it starts itself)."""

    def __init__(self, name: str, command: Command, *, home: Path, log: Path) -> None:
        """Start it; both its outputs are appended to ``log``."""
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        _rotate(log)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command.words),
                env={**os.environ, **command.environment, MARK: str(home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is also the id of the child's process group."""
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; nothing happens if it is gone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def terminate(self) -> None:
        """Ask the child itself (gunicorn's master, say) to end in its own order."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group at once and reap the child."""
        self.signal(signal.SIGKILL)
        self._process.wait()


def stop_all(
    children: Sequence[Child], *, patience_s: float, clock: Callable[[], float] = time.monotonic
) -> None:
    """End all children together: SIGTERM, wait up to ``patience_s`` seconds, then SIGKILL to the group."""
    for child in children:
        child.terminate()
    deadline = clock() + patience_s
    while clock() < deadline and any(child.exit_code() is None for child in children):
        time.sleep(0.02)
    for child in children:
        child.kill()


def kill_strays(home: Path) -> list[int]:
    """Kill what an earlier supervisor of ``home`` left behind; return the process ids."""
    strays = [process for process in psutil.process_iter() if _is_marked(process, home)]
    for process in strays:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(strays, timeout=5)
    return [process.pid for process in strays]


def _is_marked(process: psutil.Process, home: Path) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get(MARK) == str(home)
    except (psutil.Error, OSError):
        return False


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))

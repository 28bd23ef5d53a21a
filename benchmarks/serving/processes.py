"""Starting and ending the servers, and what they take."""

import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.process_group import bound

PATIENCE_S = 120
MIB = 1 << 20


@contextmanager
def running(command: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[psutil.Process]:
    """Run a command in a process group of its own; the whole group ends with the block, and with us."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **env}, stdout=output, stderr=output, process_group=0
        )
    family: list[psutil.Process] = []
    try:
        with bound(process.pid):
            try:
                yield psutil.Process(process.pid)
            finally:
                family = _family(process.pid)  # some servers put their workers into groups of their own
    finally:
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()


def _family(pid: int) -> list[psutil.Process]:
    """Return what a process has started, and what that has."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def first_answer(process: psutil.Process, port: int, path: str, body: bytes, log: Path) -> float:
    """Return the seconds from the start of the process to its first good answer."""
    started = time.perf_counter()
    while time.perf_counter() - started < PATIENCE_S:
        if process.status() == psutil.STATUS_ZOMBIE:
            break
        with suppress(OSError):
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310 - the same
                answer.read()
            return round(time.perf_counter() - started, 2)
        time.sleep(0.01)
    message = f"no answer:\n{log.read_text(errors='replace')[-3000:]}"
    raise RuntimeError(message)


def pss(process: psutil.Process) -> int:
    """Return the memory of a process and its children in MiB; what they share is counted once."""
    family = [process, *process.children(recursive=True)]
    return round(sum(each.memory_full_info().pss for each in family) / MIB)

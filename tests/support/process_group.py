"""Processes that outlive nobody: not their starter's end, nor its kill -9."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def when_gone(script: str) -> Iterator[None]:
    """Have a shell run ``script`` if this process ends before the block does, however it ends.

    The shell has a session of its own and waits at the end of a pipe that nobody writes to: the kernel closes
    it when this process is gone.
    """
    shell = subprocess.Popen(
        ["/bin/sh", "-c", f"read -r _; {script}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        shell.kill()
        shell.communicate()


@contextmanager
def bound(group: int) -> Iterator[None]:
    """Kill a process group when the block ends, or when this process does, however it ends."""
    with when_gone(f"kill -s KILL -- -{group}"):
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

"""Process groups that outlive nobody: not their starter's end, nor its kill -9."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def bound(group: int) -> Iterator[None]:
    """Kill a process group when the block ends, or when this process does, however it ends.

    An heir in a session of its own waits at the end of a pipe that nobody writes to: it is closed by
    the kernel when this process is gone.
    """
    heir = subprocess.Popen(
        ["/bin/sh", "-c", f"read -r _; kill -s KILL -- -{group}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        heir.kill()
        heir.communicate()

"""Tools of the system, awaited."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress

from tests.cluster.node.errors import CommandFailed


async def run(*words: str, given: str = "") -> str:
    """Run a program with an input and return what it prints; raises CommandFailed."""
    child = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, said = await child.communicate(given.encode())
    if child.returncode:
        raise CommandFailed(words, said.decode(errors="replace"))
    return printed.decode(errors="replace")


async def finished(words: list[str], environment: Mapping[str, str], *, timeout_s: float) -> tuple[int, str]:
    """Run a program and return its exit code and the end of what it says.

    Raises:
        TimeoutError: it took too long; it and what it had started are killed.
    """
    child = await asyncio.create_subprocess_exec(
        *words,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout_s):
            said, _ = await child.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    assert child.returncode is not None
    return child.returncode, said.decode(errors="replace")[-1000:]

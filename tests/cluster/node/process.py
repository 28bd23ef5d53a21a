"""A container's process: started in its namespaces, signalled, waited for."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

from tests.cluster.node.enter import PID, PLAN
from tests.cluster.node.errors import StartFailed
from tests.cluster.node.plan import Plan

LAUNCH: Final = Path(__file__).with_name("launch.py")


class Process:
    """A running container. ``pid`` is its process 1, as the node counts; it is a child of the node."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        loop = asyncio.get_running_loop()
        self._code: asyncio.Future[int] = loop.create_future()
        self._descriptor = os.pidfd_open(pid)
        loop.add_reader(self._descriptor, self._reap)

    async def ended(self) -> int:
        """Wait for its end and return its exit code; 128 and more is a signal's number."""
        return await asyncio.shield(self._code)

    def signal(self, number: signal.Signals) -> None:
        """Signal process 1; all others of the container are killed by the kernel when it ends."""
        if not self._code.done():
            os.kill(self.pid, number)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._code.set_result(128 - code if code < 0 else code)


async def start(plan: Plan, folder: Path, namespace: str, log: Path) -> Process:
    """Start a container; ``folder`` is its own on the node, ``namespace`` the file of its network namespace.

    Raises:
        StartFailed: its root could not be built, or its program not be executed.
    """
    plan.write(folder / PLAN)
    reader, writer = os.pipe()
    words = [
        *("nsenter", f"--net={namespace}", "--"),
        *("unshare", "--mount", "--pid", "--ipc", "--uts", "--propagation=private", "--"),
        *(sys.executable, "-I", "-S", str(LAUNCH), str(folder / PLAN), str(writer)),
    ]
    with log.open("ab") as output:
        beginning = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[writer],
            start_new_session=True,
        )
    os.close(writer)
    pid, problem = await asyncio.to_thread(_report, reader)
    await beginning.wait()
    if not pid:
        message = f"no process: see {log}"
        raise StartFailed(message)
    process = Process(int(pid))
    if problem:
        await process.ended()
        raise StartFailed(problem)
    (folder / PID).write_text(pid, encoding="ascii")
    return process


def _report(reader: int) -> tuple[str, str]:
    """Read the two lines of `launch`: the process id, and what went wrong."""
    with open(reader, encoding="utf-8", errors="replace") as pipe:
        return pipe.readline().strip(), pipe.readline().strip()

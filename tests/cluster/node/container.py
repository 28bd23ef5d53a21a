"""A container of a pod: started, probed, started again, ended."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Any, Final, Protocol

from tests.cluster.node import probes
from tests.cluster.node.errors import Waiting
from tests.cluster.node.process import Process
from tests.cluster.node.status import State, now

FIRST_BACKOFF_S: Final = 1.0
LONGEST_BACKOFF_S: Final = 30.0
STEADY_S: Final = 60.0
"""After so long a life a container's next start is not delayed for earlier ends."""
SHORTEST_GRACE_S: Final = 2.0
HOOK_S: Final = 3600.0


class Restart(StrEnum):
    """When a container is started again."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"

    def again(self, code: int) -> bool:
        """Return whether it is, after this exit code."""
        return self is Restart.ALWAYS or (self is Restart.ON_FAILURE and code != 0)


class Pod(Protocol):
    """What a container needs of its pod."""

    @property
    def grace_s(self) -> float:
        """Seconds between SIGTERM and SIGKILL."""

    async def launch(self, container: Mapping[str, Any]) -> Process:
        """Start a process; raises Waiting."""

    def target(self, container: Mapping[str, Any]) -> probes.Target:
        """Return where a container is asked."""

    def changed(self) -> None:
        """Take note that a container's state is another one."""

    def note(self, text: str) -> None:
        """Say something in the node's log."""


class Container:
    """One container; `run` is its life, and `end` ends that."""

    def __init__(self, spec: Mapping[str, Any], pod: Pod, restart: Restart) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.restart = restart
        self.state = State(now={"waiting": {"reason": "PodInitializing"}}, last={})
        self.up = asyncio.Event()
        """Set once it has started: its hook is done and its startup probe answered."""
        self._pod = pod
        self._process: Process | None = None
        self._ending = asyncio.Event()
        self._hooked = asyncio.Event()

    async def run(self) -> int:
        """Live; return the exit code of the last process. A container that is ended is not started again."""
        backoff_s, code = 0.0, None
        while not self._ending.is_set():
            began = _clock()
            code = await self._once()
            if self._ending.is_set() or (code is not None and not self.restart.again(code)):
                return code or 0
            if code is None:
                # There was no process: what is missing may come at any moment.
                await self._rest(FIRST_BACKOFF_S)
                continue
            self.state.last = self.state.now
            backoff_s = 0.0 if _clock() - began > STEADY_S else backoff_s
            if backoff_s:
                self._wait("CrashLoopBackOff", f"back-off {backoff_s:g}s restarting container {self.name}")
            if await self._rest(backoff_s):
                break
            backoff_s = min(max(2 * backoff_s, FIRST_BACKOFF_S), LONGEST_BACKOFF_S)
            self.state.restarts += 1
        return code or 0

    async def _rest(self, seconds: float) -> bool:
        """Wait so long; return whether the container is to end meanwhile."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)
        return self._ending.is_set()

    async def hooked(self) -> None:
        """Wait until the next container may be started: this one's hook is done, or there is no process."""
        await self._hooked.wait()

    async def end(self, deadline: float, turn: Callable[[], Awaitable[None]]) -> None:
        """End it for good: hook, its ``turn``, SIGTERM, and SIGKILL at ``deadline`` (the loop's time)."""
        self._ending.set()
        await self._end_process(deadline, turn)

    def kill(self) -> None:
        """End it for good and at once."""
        self._ending.set()
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    async def _once(self) -> int | None:
        """Run one process; return its exit code, or None if there was none."""
        try:
            process = await self._pod.launch(self.spec)
        except Waiting as missing:
            self._wait(missing.reason, str(missing))
            self._hooked.set()
            return None
        began = now()
        self._process = process
        if self._ending.is_set():
            process.signal(signal.SIGKILL)
        self.state.now = {"running": {"startedAt": began}}
        self._pod.changed()
        async with self._watched():
            code = await process.ended()
        self._process = None
        self.up.clear()
        self.state.ready = self.state.started = False
        self.state.now = {
            "terminated": {
                "exitCode": code,
                "reason": "Error" if code else "Completed",
                "startedAt": began,
                "finishedAt": now(),
            }
        }
        self._hooked.set()
        self._pod.changed()
        return code

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Run the hook and the probes for as long as the process runs."""
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        target = self._pod.target(self.spec)
        if hook := self.spec.get("lifecycle", {}).get("postStart"):
            why = await probes.ask(hook, target, HOOK_S)
            if why:
                await self._fail(f"postStart failed: {why}")
        self._hooked.set()
        async with asyncio.TaskGroup() as group:
            if (probe := self.spec.get("startupProbe")) and (why := await probes.first(probe, target)):
                await self._fail(f"startup probe failed: {why}")
            self.state.started = True
            self.up.set()
            if probe := self.spec.get("readinessProbe"):
                group.create_task(probes.watch(probe, target, self._note_ready))
            else:
                self._note_ready("")
            if probe := self.spec.get("livenessProbe"):
                group.create_task(self._live(probe, target))
            self._pod.changed()

    async def _live(self, probe: Mapping[str, Any], target: probes.Target) -> None:
        why = await probes.first(probe, target, bool)
        await self._fail(f"liveness probe failed: {why}")

    async def _fail(self, why: str) -> None:
        """End the process, which is started again as the policy says; whoever watches it is cancelled."""
        self._pod.note(f"{self.name}: {why}")
        if not self._ending.is_set():
            await self._end_process(_clock() + self._pod.grace_s, at_once)
        await asyncio.Event().wait()

    def _note_ready(self, why: str) -> None:
        if self.state.ready is bool(why):
            self.state.ready = not why
            self._pod.changed()

    def _wait(self, reason: str, message: str) -> None:
        self.state.now = {"waiting": {"reason": reason, "message": message}}
        self._pod.changed()

    async def _end_process(self, deadline: float, turn: Callable[[], Awaitable[None]]) -> None:
        process = self._process
        if process is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                if hook := self.spec.get("lifecycle", {}).get("preStop"):
                    await probes.ask(hook, self._pod.target(self.spec), HOOK_S)
                await turn()
        process.signal(signal.SIGTERM)
        left_s = max(deadline - _clock(), SHORTEST_GRACE_S)
        try:
            async with asyncio.timeout(left_s):
                await process.ended()
        except TimeoutError:
            process.signal(signal.SIGKILL)
            await process.ended()


async def at_once() -> None:
    """Wait for nobody."""


def _clock() -> float:
    return asyncio.get_running_loop().time()

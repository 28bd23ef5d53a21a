"""One pod: its containers in order, what it says of itself, and its end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from tests.cluster.node import probes
from tests.cluster.node.api import ApiDown, Change, Document, Refused
from tests.cluster.node.container import Container, Restart, at_once
from tests.cluster.node.errors import Waiting
from tests.cluster.node.process import Process
from tests.cluster.node.sandbox import Host, Sandbox
from tests.cluster.node.status import Facts, is_sidecar, now, status_of

LOG: Final = logging.getLogger("node")
AGAIN_S: Final = 0.5


class Pod:
    """A pod of this node; `run` is its life, and ends when its object is gone."""

    def __init__(self, document: Document, host: Host) -> None:
        self.document = document
        self._host = host
        self._sandbox = Sandbox(document, host)
        self._began = now()
        self._initialized = self._finished = self._failed = self._gone = False
        self._asked_to_end = asyncio.Event()
        self._dirty = asyncio.Event()
        self._reported: Document = {}
        spec = document["spec"]
        policy = Restart(spec.get("restartPolicy", "Always"))
        once = Restart.NEVER if policy is Restart.NEVER else Restart.ON_FAILURE
        self._init = [
            Container(each, self, Restart.ALWAYS if is_sidecar(each) else once)
            for each in spec.get("initContainers", ())
        ]
        self._main = [Container(each, self, policy) for each in spec["containers"]]

    @property
    def grace_s(self) -> float:
        """Seconds between SIGTERM and SIGKILL: what the deletion says, else the pod."""
        metadata, spec = self.document["metadata"], self.document["spec"]
        return float(
            metadata.get("deletionGracePeriodSeconds", spec.get("terminationGracePeriodSeconds", 30))
        )

    def update(self, change: Change) -> None:
        """Take note of how the object is now."""
        document = change.document
        # What we know of the pod's addresses may not have reached the API server when it wrote this.
        self.document = {**document, "status": {**document.get("status", {}), **self._addresses()}}
        if change.gone:
            self._gone = True
            for each in self._containers:
                each.kill()
        if change.gone or "deletionTimestamp" in document["metadata"]:
            self._asked_to_end.set()

    async def run(self) -> None:
        """Live, end, and take the object away."""
        reporting = asyncio.create_task(self._report_changes())
        life = asyncio.create_task(self._live())
        asked = asyncio.create_task(self._asked_to_end.wait())
        try:
            await asyncio.wait({life, asked}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                await self._end()
            await life
            await self._sandbox.leave_network()
            self._finished = True
            self.changed()
            await asked
        finally:
            reporting.cancel()
        await self._insist(self._report)
        await self._insist(self._delete)
        await self._sandbox.remove()

    async def _live(self) -> None:
        if not await self._prepared():
            return
        sidecars = []
        for each in self._init:
            running = asyncio.create_task(each.run())
            if is_sidecar(each.spec):
                sidecars.append(running)
                await _first(running, each.up.wait())
            elif await running:
                self._failed = True
            if self._failed or self._asked_to_end.is_set():
                break
        else:
            self._initialized = True
            await self._run_main()
        if not self._asked_to_end.is_set():
            await self._end()
        await asyncio.gather(*sidecars)

    async def _run_main(self) -> None:
        running = []
        for each in self._main:
            running.append(asyncio.create_task(each.run()))
            # A hook after the start holds back the containers that follow, as Istio's proxy counts on.
            await each.hooked()
            if self._asked_to_end.is_set():
                break
        await asyncio.gather(*running)

    async def _prepared(self) -> bool:
        """Make network and volumes; return whether they are there before the pod is asked to end."""
        while not self._asked_to_end.is_set():
            try:
                await self._sandbox.make_network(self.document)
                self.update(Change(self.document))
                self.changed()
                await self._sandbox.make_volumes(self.document)
            except (Waiting, ApiDown, Refused) as missing:
                reason = missing.reason if isinstance(missing, Waiting) else "ContainerCreating"
                for each in self._containers:
                    each.state.now = {"waiting": {"reason": reason, "message": str(missing)}}
                self.changed()
                await _first(self._asked_to_end.wait(), asyncio.sleep(AGAIN_S))
            else:
                return not self._asked_to_end.is_set()
        return False

    @property
    def _containers(self) -> list[Container]:
        return [*self._init, *self._main]

    def _addresses(self) -> Document:
        node, own = self._host.network.node, self._sandbox.address
        found: Document = {"hostIP": node, "hostIPs": [{"ip": node}]}
        return {**found, "podIP": own, "podIPs": [{"ip": own}]} if own else found

    async def launch(self, container: Mapping[str, Any]) -> Process:
        """Start a container's process; raises Waiting."""
        return await self._sandbox.launch(self.document, container)

    def target(self, container: Mapping[str, Any]) -> probes.Target:
        """Return where a container is asked."""
        return self._sandbox.target(container)

    def changed(self) -> None:
        """Take note that the status is another one."""
        self._dirty.set()

    def note(self, text: str) -> None:
        """Say something in the node's log."""
        LOG.info("%s: %s", self._sandbox.name, text)

    async def _end(self) -> None:
        """End all containers: those that do the work, then the sidecars, the last one first."""
        deadline = asyncio.get_running_loop().time() + self.grace_s
        sidecars = [each for each in self._init if is_sidecar(each.spec)]
        others = [each for each in self._containers if each not in sidecars]
        ending = [asyncio.create_task(each.end(deadline, at_once)) for each in others]
        for each in reversed(sidecars):
            ending.append(asyncio.create_task(each.end(deadline, _after(list(ending)))))
        await asyncio.gather(*ending)

    async def _report_changes(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._insist(self._report)

    async def _insist(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do something with the API server until it answers."""
        while not self._gone:
            try:
                await act()
            except ApiDown as down:
                self.note(str(down))
                await asyncio.sleep(AGAIN_S)
            except Refused as refused:
                self.note(str(refused))
                return
            else:
                return

    async def _report(self) -> None:
        facts = Facts(
            began=self._began,
            host=self._host.network.node,
            address=self._sandbox.address,
            initialized=self._initialized,
            finished=self._finished,
            failed=self._failed,
        )
        init, main = ([(each.spec, each.state) for each in some] for some in (self._init, self._main))
        status = deepcopy(status_of(self.document, init, main, facts))
        if status == self._reported:
            return
        metadata = self.document["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        found = await self._host.api.merge(
            f"{path}/status", {"metadata": {"uid": metadata["uid"]}, "status": status}
        )
        self._reported = status
        if found is not None:
            self.update(Change(found))

    async def _delete(self) -> None:
        metadata = self.document["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        await self._host.api.delete(path, uid=metadata["uid"])


def _after(tasks: list["asyncio.Task[None]"]) -> Callable[[], Awaitable[None]]:
    async def turn() -> None:
        if tasks:
            await asyncio.wait(tasks)

    return turn


async def _first(*waiting: Awaitable[object]) -> None:
    """Wait for the first of these; the others are given up, but for tasks."""
    tasks = [asyncio.ensure_future(each) for each in waiting]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, each in zip(tasks, waiting, strict=True):
        if task is not each:
            task.cancel()

"""The node at work: binds pods, runs them, makes volumes for claims, keeps names and rules of Services."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.cluster.node import claims, machine, services
from tests.cluster.node.api import ApiDown, Change, Document, Refused
from tests.cluster.node.dns import Server
from tests.cluster.node.network import dns_address, prepare
from tests.cluster.node.pod import Pod
from tests.cluster.node.sandbox import Host
from tests.cluster.node.tools import run

LOG: Final = logging.getLogger("node")
AGAIN_S: Final = 0.5
GATHER_S: Final = 0.02
"""So long changes of Services are gathered before the kernel's rules are written again."""
DNS_PORT: Final = 53
SCHEDULER: Final = "default-scheduler"
ENDED: Final = ("Succeeded", "Failed")


class Kubelet:
    """All work of one node."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pods: dict[str, Pod] = {}
        self._services = services.Services(host.network)
        self._services_changed = asyncio.Event()
        self._group = asyncio.TaskGroup()

    async def run(self, ready: Path) -> None:
        """Work for ever; make the file ``ready`` once all that there is has been seen."""
        host = self._host
        await prepare(host.network)
        await run("iptables-restore", given=services.jumps(host.network))
        loop = asyncio.get_running_loop()
        address = (dns_address(host.network), DNS_PORT)
        await loop.create_datagram_endpoint(lambda: Server(self._services.resolve), local_addr=address)
        async with self._group:
            await self._insist(lambda: machine.register(host.api, host.name, host.network.node))
            self._group.create_task(self._beat())
            self._group.create_task(self._write_rules())
            seen = [asyncio.Event() for _ in range(4)]
            host.api.watch("/api/v1/services", self._note_service, seen[0].set)
            host.api.watch("/apis/discovery.k8s.io/v1/endpointslices", self._note_slice, seen[1].set)
            host.api.watch("/api/v1/persistentvolumeclaims", self._note_claim, seen[2].set)
            host.api.watch("/api/v1/pods", self._note_pod, seen[3].set)
            for each in seen:
                await each.wait()
            ready.touch()  # noqa: ASYNC240 - a moment

    async def _insist(self, act: Callable[[], Awaitable[object]]) -> None:
        """Do something with the API server until it answers; a no is logged."""
        while True:
            try:
                await act()
            except ApiDown as down:
                LOG.info("%s", down)
                await asyncio.sleep(AGAIN_S)
            except Refused as refused:
                LOG.info("%s", refused)
                return
            else:
                return

    async def _beat(self) -> None:
        while True:
            await self._insist(lambda: machine.beat(self._host.api, self._host.name))
            await asyncio.sleep(machine.BEAT_S)

    def _note_service(self, change: Change) -> None:
        self._services.note_service(change)
        self._services_changed.set()

    def _note_slice(self, change: Change) -> None:
        self._services.note_slice(change)
        self._services_changed.set()

    async def _write_rules(self) -> None:
        written = ""
        while True:
            await self._services_changed.wait()
            await asyncio.sleep(GATHER_S)
            self._services_changed.clear()
            rules = self._services.rules()
            if rules != written:
                await run("iptables-restore", "--noflush", given=rules)
                written = rules

    def _note_claim(self, change: Change) -> None:
        if not change.gone and claims.wants_volume(change.document):
            volume = claims.volume_for(change.document, self._host.name)
            self._group.create_task(self._insist(lambda: self._host.api.post(claims.PATH, volume)))

    def _note_pod(self, change: Change) -> None:
        document, spec = change.document, change.document["spec"]
        if change.uid in self._pods:
            self._pods[change.uid].update(change)
        elif change.gone or document.get("status", {}).get("phase") in ENDED:
            return
        elif spec.get("nodeName") == self._host.name:
            self._pods[change.uid] = Pod(document, self._host)
            self._pods[change.uid].update(change)
            self._group.create_task(self._run(change.uid))
        elif not spec.get("nodeName") and spec.get("schedulerName", SCHEDULER) == SCHEDULER:
            self._group.create_task(self._insist(lambda: self._bind(document)))

    async def _run(self, uid: str) -> None:
        await self._pods[uid].run()
        del self._pods[uid]

    async def _bind(self, pod: Document) -> None:
        metadata = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "uid": metadata["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self._host.name},
        }
        await self._host.api.post(
            f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/binding", binding
        )

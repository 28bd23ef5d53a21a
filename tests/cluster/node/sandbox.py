"""What a pod's containers live in: its network, its volumes, its files of /etc; and how each is started."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any, Final

from tests.cluster.control_plane import Network
from tests.cluster.node import plan, probes
from tests.cluster.node.api import Api, ApiDown, Document, Refused
from tests.cluster.node.enter import entering
from tests.cluster.node.environment import command, environment
from tests.cluster.node.errors import ConfigMissing, MountFailed
from tests.cluster.node.images import Image, find
from tests.cluster.node.network import Link, dns_address
from tests.cluster.node.process import Process, start
from tests.cluster.node.security import identity
from tests.cluster.node.tools import finished
from tests.cluster.node.volumes import Volume, Volumes

FORBIDDEN: Final = ("hostNetwork", "hostPID", "hostIPC")
DOMAIN: Final = "cluster.local"


@dataclass(frozen=True)
class Host:
    """The node that pods run on. ``folder`` is its own, ``logs`` that of the containers' logs."""

    name: str
    api: Api
    network: Network
    images: Mapping[str, Image]
    folder: Path
    logs: Path
    allocatable: Mapping[str, str]
    addresses: Iterator[str] = field(repr=False)


class Sandbox:
    """The surroundings of one pod's containers; ``pod`` is always given as it is known now."""

    def __init__(self, pod: Document, host: Host) -> None:
        metadata, spec = pod["metadata"], pod["spec"]
        self.name = f"{metadata['namespace']}/{metadata['name']}"
        self.hostname = str(spec.get("hostname") or metadata["name"])[:63]
        self._host = host
        self._folder = host.folder / str(metadata["uid"])
        self._link: Link | None = None
        self._volumes: Mapping[str, Volume] = {}

    @property
    def address(self) -> str | None:
        """The pod's address, once it has one."""
        return self._link.address if self._link else None

    async def make_network(self, pod: Document) -> None:
        """Give the pod an address, unless it has one.

        Raises:
            MountFailed: it asks for the node's own.
        """
        if self._link is not None:
            return
        spec = pod["spec"]
        if refused := [name for name in FORBIDDEN if spec.get(name)]:
            message = f"this node has no {', '.join(refused)}"
            raise MountFailed(message)
        address = next(self._host.addresses)
        number = "-".join(address.split(".")[1:])
        link = Link(f"pod-{number}", f"pod{number}", address)
        sysctls = (spec.get("securityContext") or {}).get("sysctls", ())
        await link.make(self._host.network, {each["name"]: each["value"] for each in sysctls})
        self._link = link
        self._write_etc(pod, address)

    async def make_volumes(self, pod: Document) -> None:
        """Make the pod's volumes; raises Waiting, ApiDown, Refused."""
        host = self._host
        makers = Volumes(pod, self._folder / "volumes", host.folder / "claims", host.api, host.images)
        self._volumes = await makers.make(host.allocatable)

    async def leave_network(self) -> None:
        """Give the network back."""
        if self._link is not None:
            await self._link.remove()

    async def remove(self) -> None:
        """Remove all that is left on the node, but for logs and the contents of claims."""
        await asyncio.to_thread(rmtree, self._folder, ignore_errors=True)

    async def launch(self, pod: Document, container: Mapping[str, Any]) -> Process:
        """Start a container's process; raises Waiting."""
        host, link, folder = self._host, self._link, self._place(container)
        assert link is not None
        root = folder / "root"
        root.mkdir(parents=True, exist_ok=True)
        image = find(host.images, container["image"])
        who = identity(pod, container, image.user)
        values = await self._environment(pod, container, image)
        links, system = plan.system()
        mounts = [
            *system,
            *plan.of_image(image),
            *plan.of_etc(folder / "etc", image),
            *(plan.Mount(str(each), f"/etc/{each.name}") for each in (self._folder / "etc").iterdir()),
            *plan.of_volumes(container, self._volumes, values),
        ]
        made = plan.Plan(
            root=str(root),
            hostname=self.hostname,
            links=links,
            mounts=plan.ordered(mounts),
            read_only=who.read_only_root,
            uid=who.uid,
            gid=who.gid,
            identity=tuple(who.command),
            workdir=container.get("workingDir") or image.workdir,
            command=(*who.command, *command(container, values, (image.entrypoint, image.arguments))),
            environment=values,
        )
        log = host.logs / f"{self.name.replace('/', '_')}_{container['name']}.log"
        return await start(made, folder, link.path, log)

    def target(self, container: Mapping[str, Any]) -> probes.Target:
        """Return where a container is asked."""
        assert self._link is not None

        async def enter(words: list[str], timeout_s: float) -> tuple[int, str]:
            line, values = entering(str(self._place(container)), words)
            return await finished(line, values, timeout_s=timeout_s)

        ports = {each["name"]: each["containerPort"] for each in container.get("ports", ()) if "name" in each}
        return probes.Target(self._link.address, ports, enter)

    async def _environment(
        self, pod: Document, container: Mapping[str, Any], image: Image
    ) -> Mapping[str, str]:
        host = self._host
        base = {
            "HOSTNAME": self.hostname,
            "KUBERNETES_SERVICE_HOST": host.network.api,
            "KUBERNETES_SERVICE_PORT": str(host.network.api_port),
            **image.environment,
        }
        try:
            return await environment(container, pod, host.api, allocatable=host.allocatable, base=base)
        except (ApiDown, Refused) as error:
            raise ConfigMissing(str(error)) from error

    def _write_etc(self, pod: Document, address: str) -> None:
        namespace, aliases = pod["metadata"]["namespace"], pod["spec"].get("hostAliases", ())
        known = [f"{each['ip']} {' '.join(each['hostnames'])}" for each in aliases]
        domains = f"{namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}"
        texts = {
            "hosts": ["127.0.0.1 localhost", f"{address} {self.hostname}", *known],
            "resolv.conf": [
                f"nameserver {dns_address(self._host.network)}",
                f"search {domains}",
                "options ndots:5",
            ],
            "hostname": [self.hostname],
        }
        folder = self._folder / "etc"
        folder.mkdir(parents=True, exist_ok=True)
        for name, lines in texts.items():
            (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    def _place(self, container: Mapping[str, Any]) -> Path:
        return self._folder / "containers" / str(container["name"])

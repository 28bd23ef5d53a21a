"""The network of a pod: a namespace, an address, and a way to everybody by the node.

A pod has its address alone (/32) and reaches all others through the node, which lies on the bridge with them.
So what a Service's address is turned into is turned back on the same way. The names of namespaces are known
to the node's own mount namespace alone.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.control_plane import Network
from tests.cluster.node.errors import CommandFailed
from tests.cluster.node.tools import run


def dns_address(network: Network) -> str:
    """Return the address of the cluster's DNS, as clusters have it: the tenth of those for Services."""
    return str(ipaddress.IPv4Network(network.services)[10])


def pod_addresses(network: Network) -> Iterator[str]:
    """Yield the addresses that pods get; none is given twice."""
    above = ipaddress.IPv4Network(network.infrastructure).broadcast_address
    pods = ipaddress.IPv4Network(f"{network.node}/{network.prefix_length}", strict=False)
    return (str(each) for each in pods.hosts() if each > above)


async def prepare(network: Network) -> None:
    """Let the node forward between its pods, and answer at the DNS' address."""
    for name, value in _sysctls(network.bridge).items():
        with suppress(FileNotFoundError):
            Path("/proc/sys/net", name).write_text(value, encoding="ascii")  # noqa: ASYNC240 - a moment
    commands = [
        f"addr replace {dns_address(network)}/32 dev {network.bridge}",
        # What is asked from the node itself needs a way out, too, before the kernel's rules can turn it.
        f"route replace {network.services} dev {network.bridge} src {network.node}",
    ]
    await run("ip", "-batch", "-", given="\n".join(commands))


def _sysctls(bridge: str) -> dict[str, str]:
    return {
        "ipv4/ip_forward": "1",
        # Pods do not see each other on the bridge, so nobody is to be told of a shorter way.
        "ipv4/conf/all/send_redirects": "0",
        f"ipv4/conf/{bridge}/send_redirects": "0",
        # Where a kernel has bridges call the rules, they would turn addresses before the node routes.
        "bridge/bridge-nf-call-iptables": "0",
    }


@dataclass(frozen=True)
class Link:
    """A pod's network: the namespace's name, the veth's name on the bridge, the address."""

    namespace: str
    veth: str
    address: str

    @property
    def path(self) -> str:
        """The file of the namespace, in the node's mount namespace."""
        return f"/run/netns/{self.namespace}"

    async def make(self, network: Network, sysctls: Mapping[str, str]) -> None:
        """Make it, with the pod's sysctls."""
        outside = [
            f"link add {self.veth} type veth peer name eth0 netns {self.namespace}",
            f"link set {self.veth} master {network.bridge} up",
        ]
        inside = [
            "link set lo up",
            f"addr add {self.address}/32 dev eth0",
            "link set eth0 up",
            f"route add {network.node} dev eth0",
            f"route add default via {network.node}",
        ]
        await run("ip", "netns", "add", self.namespace)
        with suppress(CommandFailed):
            # The kernel takes the pods of a node that has ended away in its own time; this one was another's.
            await run("ip", "link", "delete", self.veth)
        await run("ip", "-batch", "-", given="\n".join(outside))
        await run("ip", "-n", self.namespace, "-batch", "-", given="\n".join(inside))
        for name, value in sysctls.items():
            await run("nsenter", f"--net={self.path}", "sysctl", "-q", "-w", f"{name}={value}")

    async def remove(self) -> None:
        """Remove it; the other end of the veth goes with the namespace."""
        await run("ip", "netns", "delete", self.namespace)

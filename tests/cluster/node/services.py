"""Services: whom a name leads to, and the rules by which the kernel makes their addresses those of pods."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.cluster.control_plane import Network
from tests.cluster.node.api import Change, Document

DOMAIN: Final = "svc.cluster.local"
CHAIN: Final = "BERTMESH-SERVICES"

Key = tuple[str, str]


@dataclass
class Services:
    """What is known of Services and their endpoints; both are told by watches."""

    network: Network
    services: dict[Key, Document] = field(default_factory=dict)
    slices: dict[str, Document] = field(default_factory=dict)

    def note_service(self, change: Change) -> None:
        """Take note of a Service."""
        metadata = change.document["metadata"]
        key = (metadata["namespace"], metadata["name"])
        self.services.pop(key, None)
        if not change.gone:
            self.services[key] = change.document

    def note_slice(self, change: Change) -> None:
        """Take note of an EndpointSlice."""
        self.slices.pop(change.uid, None)
        if not change.gone:
            self.slices[change.uid] = change.document

    def resolve(self, name: str) -> list[str] | None:
        """Return the addresses of a whole name, `bert.models.svc.cluster.local` say; None is no such name."""
        labels = name.lower().rstrip(".").removesuffix(f".{DOMAIN}").split(".")
        if not name.lower().rstrip(".").endswith(f".{DOMAIN}"):
            return None
        *host, service, namespace = ["", *labels] if len(labels) > 1 else ["", "", ""]
        document = self.services.get((namespace, service))
        if document is None:
            return None
        spec, wanted = document["spec"], ".".join(filter(None, host))
        match spec:
            case {"type": "ExternalName", "externalName": elsewhere}:
                # What listens on the node's loopback is reached by pods at the node's address.
                return [self.network.node] if elsewhere == "localhost" else self.resolve(elsewhere)
            case {"clusterIP": "None"}:
                return self._of_headless((namespace, service), wanted)
            case _:
                return None if wanted else [spec["clusterIP"]]

    def _of_headless(self, key: Key, host: str) -> list[str] | None:
        ready = document_flag(self.services[key], "publishNotReadyAddresses")
        found = [
            address
            for part in self._slices_of(key)
            for each in part.get("endpoints") or ()
            if (ready or _is_ready(each)) and host in ("", each.get("hostname"))
            for address in each["addresses"]
        ]
        return found or (None if host else [])

    def _slices_of(self, key: Key) -> Iterator[Document]:
        for each in self.slices.values():
            metadata = each["metadata"]
            if (metadata["namespace"], metadata.get("labels", {}).get("kubernetes.io/service-name")) == key:
                yield each

    def rules(self) -> str:
        """Return input for `iptables-restore --noflush`: a new connection goes to one of a Service's pods."""
        lines: list[str] = []
        targets: set[str] = set()
        for key, service in sorted(self.services.items()):
            address = service["spec"].get("clusterIP")
            if address in (None, "", "None", self.network.api):
                continue
            for port in service["spec"].get("ports", ()):
                pods = sorted(set(self._targets(key, port)))
                targets |= {pod for pod, _ in pods}
                lines += _balanced(address, port, pods)
        # A pod that reaches itself by its Service must see the node as the sender, or would not answer it.
        # The node needs none, and its open connections would break: they began before they were tracked.
        hairpins = [
            f"-A {CHAIN}-BACK -s {pod} -d {pod} -j MASQUERADE"
            for pod in sorted(targets - {self.network.node})
        ]
        return "\n".join(
            ["*nat", f":{CHAIN} - [0:0]", f":{CHAIN}-BACK - [0:0]", *lines, *hairpins, "COMMIT", ""]
        )

    def _targets(self, key: Key, port: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
        for part in self._slices_of(key):
            for each in part.get("ports") or ():
                if each.get("name", "") == port.get("name", "") and each.get("protocol") == port.get(
                    "protocol"
                ):
                    for endpoint in part.get("endpoints") or ():
                        if _is_ready(endpoint):
                            yield endpoint["addresses"][0], each["port"]


def jumps(network: Network) -> str:
    """Return the input of `iptables-restore` that leads connections into the rules; it is loaded once."""
    unanswered = f"-d {network.services} -m addrtype ! --dst-type LOCAL"
    return "\n".join(
        [
            "*nat",
            f":{CHAIN} - [0:0]",
            f":{CHAIN}-BACK - [0:0]",
            *(f"-A {chain} -d {network.services} -j {CHAIN}" for chain in ("PREROUTING", "OUTPUT")),
            f"-A POSTROUTING -j {CHAIN}-BACK",
            "COMMIT",
            "*filter",
            # What still has a Service's address found no pod behind it.
            *(
                f"-A {chain} {unanswered}{more}"
                for chain in ("FORWARD", "OUTPUT")
                for more in (" -p tcp -j REJECT --reject-with tcp-reset", " -j REJECT")
            ),
            "COMMIT",
            "",
        ]
    )


def document_flag(service: Mapping[str, Any], name: str) -> bool:
    """Return a yes or no of a Service's spec."""
    return bool(service["spec"].get(name))


def _balanced(address: str, port: Mapping[str, Any], pods: Sequence[tuple[str, int]]) -> Iterator[str]:
    protocol = port.get("protocol", "TCP").lower()
    begin = f"-A {CHAIN} -d {address}/32 -p {protocol} -m {protocol} --dport {port['port']}"
    for left, (pod, number) in zip(range(len(pods), 0, -1), pods, strict=True):
        chance = f" -m statistic --mode random --probability {1 / left:.10f}" if left > 1 else ""
        yield f"{begin}{chance} -j DNAT --to-destination {pod}:{number}"


def _is_ready(endpoint: Mapping[str, Any]) -> bool:
    return (endpoint.get("conditions") or {}).get("ready") is not False

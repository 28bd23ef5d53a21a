"""Pods for tests that have no node: a small server answers in place of each, and its status says Ready.

They are bound to a Node that exists in name only: without one the controller manager makes no endpoints.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Final

from tests.cluster.control_plane import ControlPlane, Document
from tests.support.pods import FakePod

# Of the bridge's network, far from what others hand out.
ADDRESSES: Final = (str(address) for address in ip_network("10.244.240.0/20").hosts())
PORT: Final = "http"
NODE: Final = "stand-in"


@dataclass
class StandIns:
    """Stands in for the pods of ``namespace`` that have a port `http`, whenever `settle` is called."""

    plane: ControlPlane
    namespace: str
    pods: dict[str, FakePod] = field(default_factory=dict)

    def settle(self) -> None:
        """Start a server for each pod that is new; end those whose pods are gone."""
        listed = {each["metadata"]["name"]: each for each in self._list()}
        found = {name: pod for name, pod in listed.items() if "deletionTimestamp" not in pod["metadata"]}
        for name in self.pods.keys() - found.keys():
            self.pods.pop(name).kill()
            self.delete(name)
        for name, pod in found.items():
            if name not in self.pods and (port := _port(pod)):
                self._start(name, pod, port)

    def _list(self) -> list[Document]:
        given = self.plane.kubectl("get", "pods", "--namespace", self.namespace, "--output=json")
        found: list[Document] = json.loads(given)["items"]
        return found

    def _start(self, name: str, pod: Document, port: int) -> None:
        address = next(ADDRESSES)
        words = ["ip", "address", "add", f"{address}/32", "dev", "lo"]
        subprocess.run(words, check=True)
        self._bind(name)
        version = pod["metadata"]["labels"].get("version", "")
        self.pods[name] = FakePod(version, name, (address, port))
        self._set_status(name, ready(address))

    def _bind(self, name: str) -> None:
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/binding"
        self.plane.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(binding))

    def delete(self, *names: str) -> None:
        """Say that pods have ended, as their node would."""
        where = ["--namespace", self.namespace, "--force", "--grace-period=0", "--wait=false"]
        self.plane.kubectl("delete", "pod", *names, "--ignore-not-found", *where)

    def _set_status(self, name: str, status: Document) -> None:
        patch = json.dumps({"status": status})
        where = ["--namespace", self.namespace, "--subresource=status", "--type=merge", "--patch", patch]
        self.plane.kubectl("patch", "pod", name, *where)


@contextmanager
def stand_ins(plane: ControlPlane, namespace: str) -> Iterator[StandIns]:
    """Stand in for pods until the block ends."""
    made = StandIns(plane, namespace)
    apply_node(plane)
    try:
        yield made
    finally:
        for name in list(made.pods):
            made.pods.pop(name).kill()
            made.delete(name)


def apply_node(plane: ControlPlane) -> None:
    """Make the Node that exists in name only."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    plane.apply(node)
    plane.apply_status({**node, "status": {"conditions": _conditions("Ready")}})


def _port(pod: Document) -> int | None:
    ports = (port for each in pod["spec"]["containers"] for port in each.get("ports", ()))
    return next((port["containerPort"] for port in ports if port.get("name") == PORT), None)


def ready(address: str) -> Document:
    """Return the status of a pod that runs at an address."""
    conditions = _conditions("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}


def _conditions(*kinds: str) -> list[Document]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds]

"""What a test is given: a running control plane, and how to talk to it.

A `ControlPlane` is only a description; `tests.cluster.start` makes one, and the fixture `control_plane` lends
it.

Where everything runs
    The test process has entered a network namespace and a mount namespace of its own before anything was
    started (`tests.cluster.namespaces`). So every process that a test starts is in there already, without a
    word before its command; ports are nobody else's, and `ip netns add` names a namespace that the machine
    outside never sees. All of it is gone with the last process in it.

Who has which address (`Network`)
    The node is the bridge's own address. The API server listens on all addresses of the node, also on the
    Service address that pods know it by. A pod gets an address of the bridge's network above
    `Network.infrastructure`, in a namespace of its own whose other end is on the bridge. Whoever makes pods
    hands their addresses out.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from kubernetes.client import ApiClient

from mesh.cluster.api import connect
from tests.cluster.kubeconfig import write_kubeconfig
from tests.cluster.process import Process

Document = dict[str, Any]

COMMAND_TIMEOUT_S: Final = 300
ISTIO_NAMESPACE: Final = "istio-system"
NUMBERS: Final = count(1)
SERVER_SIDE: Final = ("--server-side", "--force-conflicts", "--validate=strict")


class CommandFailed(AssertionError):
    """A command line tool said no: a test fails with its own words."""

    def __init__(self, words: tuple[str, ...], said: str) -> None:
        super().__init__(f"`{' '.join(words)}` failed: {said.strip()}")
        self.said = said


@dataclass(frozen=True)
class Network:
    """The addresses inside the run's network namespace."""

    bridge: str = "pods"
    """The bridge that pods' veth pairs are put on (`ip link set VETH master pods`)."""
    node: str = "10.244.0.1"
    """The bridge's address, and the node's: pods route by it, and webhooks and proxies find istiod there."""
    prefix_length: int = 16
    """Of the pods' network, 10.244.0.0/16."""
    pods: str = "10.244.0.0/16"
    """The network of both."""
    infrastructure: str = "10.244.0.0/24"
    """Addresses for what is no pod (gateway, Prometheus); pods get those above it."""
    services: str = "10.96.0.0/16"
    """What ClusterIPs are drawn from. No kube-proxy runs here: of them only `api` leads anywhere."""
    api: str = "10.96.0.1"
    """The ClusterIP of `default/kubernetes`, and an address of the node: pods reach the API server there."""
    api_port: int = 443


@dataclass(frozen=True)
class Istiod:
    """The ports of a running istiod on `Network.node` (and on loopback)."""

    xds_port: int = 15010
    """ADS without TLS."""
    secure_xds_port: int = 15012
    """ADS with TLS, and the certificate authority of sidecars."""
    webhook_port: int = 15017
    """Validation and injection."""
    monitoring_port: int = 15014
    """`/metrics`, with `pilot_total_xds_rejects`: a refused configuration is said nowhere else."""


@dataclass(frozen=True)
class ControlPlane:
    """A running etcd, kube-apiserver, kube-controller-manager and, where `istiod` is not None, an istiod."""

    folder: Path
    """Of this run: data, certificates, configurations, logs."""
    kubeconfig: Path
    """Of a user who may do everything (system:masters)."""
    ca: Path
    """The certificate (PEM) that the API server's and all others are signed by."""
    kubectl_binary: Path
    programs: Mapping[str, Path]
    """Where each program of this run is, by its name: `programs["pilot-agent"]`."""
    network: Network = field(default_factory=Network)
    istiod: Istiod | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    """What runs, by its name (`etcd`, `kube-apiserver`, `kube-controller-manager`, `istiod`): a test may do
    without one for a while, `with plane.processes["istiod"].stopped(): ...`."""

    @property
    def url(self) -> str:
        """The API server's address, from the test process and from pods alike."""
        return f"https://{self.network.api}:{self.network.api_port}"

    @property
    def logs(self) -> Path:
        """The folder of all logs, one `NAME.log` a process; a test that fails shows their ends."""
        return self.folder / "logs"

    def client(self) -> ApiClient:
        """Return a client of the package kubernetes, as administrator, that does not try again."""
        return connect(kubeconfig=str(self.kubeconfig))

    def token(self, account: str, namespace: str, *, audience: str = "") -> str:
        """Return a token of a service account, as its pods get one; by default for the API server.

        Raises:
            CommandFailed: there is no such account.
        """
        given = [f"--audience={audience}"] if audience else []
        return self.kubectl("create", "token", account, "--namespace", namespace, *given).strip()

    def kubeconfig_of(self, account: str, namespace: str) -> Path:
        """Write a kubeconfig with the rights of a service account, and return it.

        Raises:
            CommandFailed: there is no such account.
        """
        file = self.folder / f"{namespace}.{account}.kubeconfig"
        return write_kubeconfig(file, self.url, self.ca, {"token": self.token(account, namespace)})

    def kubectl(self, *words: str, given: str = "") -> str:
        """Run kubectl as administrator, ``given`` on its input; return what it prints.

        Raises:
            CommandFailed: it exited with something else than 0.
        """
        command = (str(self.kubectl_binary), "--kubeconfig", str(self.kubeconfig), *words)
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, timeout=COMMAND_TIMEOUT_S
        )
        if done.returncode:
            raise CommandFailed(("kubectl", *words), done.stderr)
        return done.stdout

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """Apply objects on the server, with strict validation.

        Raises:
            CommandFailed: the API server, or a webhook, refuses one of them.
        """
        given = "\n---\n".join(json.dumps(document) for document in documents)
        self.kubectl("apply", *SERVER_SIDE, "-f", "-", given=given)

    def apply_status(self, document: Mapping[str, Any]) -> None:
        """Apply an object's status, as its controller does.

        Raises:
            CommandFailed: the API server refuses it.
        """
        given = json.dumps(document)
        self.kubectl("apply", *SERVER_SIDE, "--subresource=status", "-f", "-", given=given)

    def get(self, kind: str, name: str, namespace: str) -> Document:
        """Return an object; ``kind`` is any that kubectl understands.

        Raises:
            CommandFailed: it is not there.
        """
        found: Document = json.loads(
            self.kubectl("get", kind, name, "--namespace", namespace, "--output", "json")
        )
        return found

    @contextmanager
    def namespace(self, labels: Mapping[str, str] | None = None) -> Iterator[str]:
        """Make a Kubernetes namespace of its own for a test; yield its name, and begin its end afterwards."""
        name = f"test-{next(NUMBERS)}"
        metadata = {"name": name, "labels": dict(labels or {})}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        try:
            yield name
        finally:
            self.kubectl("delete", "namespace", name, "--wait=false")

"""Istio's ingress gateway: pilot-agent with the Envoy of the wheel, and a Prometheus that scrapes it."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3

from tests.cluster.control_plane import ISTIO_NAMESPACE, ControlPlane, Document
from tests.cluster.istio import Files, proxy_config
from tests.cluster.namespaces import attached
from tests.cluster.stand_ins import NODE, apply_node, ready
from tests.cluster.telemetry import scrape
from tests.support.processes import Prometheus, answers, prometheus_server, running, wait_until

NAME: Final = "istio-ingressgateway"
LABELS: Final = {"app": NAME, "istio": "ingressgateway"}
ADDRESS: Final = "10.244.0.2"
STATUS_PORT: Final = 15021
METRICS_PORT: Final = 15090
AGENT_TIMEOUT_S: Final = 20
REJECTS: Final = "pilot_total_xds_rejects"


@dataclass(frozen=True)
class Answer:
    """What a client of the gateway got."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Gateway:
    """A running gateway: an address of its own, where it listens on the ports that Gateways name."""

    plane: ControlPlane
    inside: tuple[str, ...]
    """The words that run a command in the gateway's network namespace."""
    address: str = ADDRESS

    @property
    def metrics(self) -> str:
        """Return the host and port where Prometheus scrapes Envoy."""
        return f"{self.address}:{METRICS_PORT}"

    def admin(self, path: str) -> Document:
        """Return what Envoy's admin interface answers, which only the gateway itself can ask."""
        words = [*self.inside, str(self.plane.programs["pilot-agent"]), "request", "GET", path]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=AGENT_TIMEOUT_S)
        found: Document = json.loads(done.stdout)
        return found

    def call(
        self, host: str, path: str = "/", *, port: int = 80, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a GET to the gateway for ``host``."""
        url = f"http://{self.address}:{port}{path}"
        answer = urllib3.request(
            "GET", url, headers={"host": host, **(headers or {})}, retries=False, timeout=20
        )
        return Answer(
            answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.data
        )

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Keep it from istiod until the block ends; requests come and go as before."""
        assert self.plane.istiod is not None
        port = str(self.plane.istiod.secure_xds_port)
        ways = (("OUTPUT", "--dport"), ("INPUT", "--sport"))
        rules = [[chain, "-p", "tcp", direction, port, "-j", "DROP"] for chain, direction in ways]
        for rule in rules:
            subprocess.run([*self.inside, "iptables", "-A", *rule], check=True)
        try:
            yield
        finally:
            for rule in rules:
                subprocess.run([*self.inside, "iptables", "-D", *rule], check=True)

    def listens(self, port: int) -> bool:
        """Return whether Envoy has a listener on ``port``."""
        found = self.admin("listeners?format=json").get("listener_statuses", [])
        addresses = [
            each["local_address"]["socket_address"]
            for each in found
            if "socket_address" in each["local_address"]
        ]
        return port in {each["port_value"] for each in addresses}

    def routes(self, host: str) -> list[Document]:
        """Return the routes that Envoy has for ``host``, first come first served."""
        configs = self.admin("config_dump?resource=dynamic_route_configs").get("configs", [])
        hosts = [each for config in configs for each in config["route_config"].get("virtual_hosts", [])]
        return [route for each in hosts if host in each["domains"] for route in each["routes"]]

    def weights(self, host: str) -> dict[str, int]:
        """Return the weight of each subset in the first route of ``host`` that splits, if one does."""
        for route in self.routes(host):
            if split := route.get("route", {}).get("weighted_clusters"):
                return {each["name"].split("|")[2]: int(each.get("weight", 0)) for each in split["clusters"]}
        return {}


@contextmanager
def gateway(plane: ControlPlane) -> Iterator[Gateway]:
    """Run a gateway that Gateways select by `istio: ingressgateway`; it counts as Istio's own does.

    ``plane`` must have an istiod. At the end none of what istiod sent may have been refused by a proxy.
    """
    metadata = {"name": NAME, "namespace": ISTIO_NAMESPACE}
    plane.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    _present(plane)
    folder = plane.folder / "gateway"
    _write_identity(plane, folder)
    with attached(plane.network, "gateway", ADDRESS) as inside:
        here = Gateway(plane, tuple(inside))
        # pilot-agent looks for all that a pod would have mounted below the folder that it is started in.
        words = [
            *inside,
            "env",
            "-C",
            str(folder),
            "sh",
            "-ec",
            'mount --bind hosts /etc/hosts; exec "$@"',
            "gateway",
        ]
        words += [str(plane.programs["pilot-agent"]), "proxy", "router"]
        words += [f"--domain={ISTIO_NAMESPACE}.svc.cluster.local", "--proxyLogLevel=warning"]
        up = answers(f"http://{here.address}:{STATUS_PORT}/healthz/ready")
        with running("gateway", words, folder=plane.logs, ready=up, environment=_environment(plane)):
            yield here
            assert rejects(plane) == 0, "a proxy has refused what istiod sent: see the logs of both"


@contextmanager
def prometheus(here: Gateway) -> Iterator[Prometheus]:
    """Run a Prometheus that knows the gateway's requests by Istio's names and labels."""
    folder = here.plane.folder / "prometheus"
    with prometheus_server(
        folder, {"scrape_configs": [scrape("istio", [here.metrics])]}, port=9090
    ) as server:
        yield server


def rejects(plane: ControlPlane) -> int:
    """Return how many configurations proxies have refused: they keep the last good one, and say no more."""
    assert plane.istiod is not None
    url = f"http://{plane.network.node}:{plane.istiod.monitoring_port}/metrics"
    lines = urllib3.request("GET", url, retries=False).data.decode().splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(REJECTS))


def _present(plane: ControlPlane) -> None:
    """Make the gateway known as the pod that it is on a cluster, and the Service that leads to it."""
    apply_node(plane)
    metadata = {"name": NAME, "namespace": ISTIO_NAMESPACE}
    labels = {**LABELS, "sidecar.istio.io/inject": "false"}
    container = {"name": "istio-proxy", "image": "istio/proxyv2"}
    spec = {"nodeName": NODE, "serviceAccountName": NAME, "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": labels}}
    ports = [{"name": "http2", "port": 80, "targetPort": 80}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    plane.apply({**pod, "spec": spec}, {**service, "spec": {"selector": LABELS, "ports": ports}})
    plane.apply_status({**pod, "status": ready(ADDRESS)})


def _write_identity(plane: ControlPlane, folder: Path) -> None:
    """Write what a gateway's pod finds in its volumes."""
    files = {
        "hosts": f"127.0.0.1 localhost\n{plane.network.node} istiod.{ISTIO_NAMESPACE}.svc\n",
        "var/run/secrets/tokens/istio-token": plane.token(NAME, ISTIO_NAMESPACE, audience="istio-ca"),
        "var/run/secrets/istio/root-cert.pem": _root_certificate(plane),
        "etc/istio/pod/labels": "".join(f'{name}="{value}"\n' for name, value in LABELS.items()),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in ("etc/istio/proxy", "var/lib/istio/data", "var/run/secrets/workload-spiffe-uds"):
        (folder / name).mkdir(parents=True)


def _root_certificate(plane: ControlPlane) -> str:
    """Return what istiod writes into every namespace, once it has."""
    name = "istio-ca-root-cert"

    def found() -> list[Document]:
        listed = plane.kubectl("get", "configmaps", "--namespace", ISTIO_NAMESPACE, "--output=json")
        return [each for each in json.loads(listed)["items"] if each["metadata"]["name"] == name]

    wait_until(lambda: bool(found()), f"istiod writes the ConfigMap {name}")
    text: str = found()[0]["data"]["root-cert.pem"]
    return text


def _environment(plane: ControlPlane) -> Mapping[str, str]:
    """Return what Istio's injection template gives a gateway."""
    config = proxy_config(Files(plane.programs["pilot-discovery"].parent))
    return {
        "PROXY_CONFIG": json.dumps(config),
        **config["proxyMetadata"],
        "CA_ADDR": config["discoveryAddress"],
        "PILOT_CERT_PROVIDER": "istiod",
        "TRUST_DOMAIN": "cluster.local",
        "POD_NAME": NAME,
        "POD_NAMESPACE": ISTIO_NAMESPACE,
        "INSTANCE_IP": ADDRESS,
        "SERVICE_ACCOUNT": NAME,
        "ISTIO_META_CLUSTER_ID": "Kubernetes",
        "ISTIO_META_MESH_ID": "cluster.local",
        "ISTIO_META_WORKLOAD_NAME": NAME,
        "ISTIO_META_INTERCEPTION_MODE": "REDIRECT",
    }

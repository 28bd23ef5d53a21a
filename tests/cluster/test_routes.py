"""Our routes in a real mesh: istiod takes them, Envoy splits by them, Prometheus counts by Istio's names."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mesh.cluster.api import ClusterApi
from mesh.cluster.errors import ApiDown
from mesh.cluster.router import ClusterRouter
from mesh.model import Split, Weights
from mesh.routing import Routing, Style
from tests.cluster.control_plane import CommandFailed, ControlPlane
from tests.cluster.gateway import Gateway, rejects
from tests.cluster.two_versions import VERSIONS, service
from tests.support.processes import Prometheus, wait_until


def answered(ingress: Gateway, host: str, requests: int) -> Counter[str]:
    """Return how many answers each version gave."""
    answers = [ingress.call(host, "/fill-mask") for _ in range(requests)]
    assert {answer.status for answer in answers} == {200}
    return Counter(answer.headers["x-model-version"] for answer in answers)


def serves(ingress: Gateway, host: str) -> Callable[[], bool]:
    """Return a probe that is true once a request for ``host`` is answered."""
    return lambda: ingress.listens(80) and ingress.call(host, "/fill-mask").status == 200


def splits(ingress: Gateway, host: str, weight: int) -> Callable[[], bool]:
    """Return a probe that is true once Envoy splits ``weight`` per cent from the rest."""
    return lambda: set(ingress.weights(host).values()) == {100 - weight, weight}


@pytest.mark.usefixtures("pods")
def test_a_weight_that_is_written_is_what_envoy_splits_by(
    router: ClusterRouter, ingress: Gateway, host: str
) -> None:
    router.apply(Split("1.0"))
    wait_until(serves(ingress, host), "the gateway serves the stable version")
    assert answered(ingress, host, 20) == {"1.0": 20}

    for weight in (20, 50):
        router.apply(Split("1.0", "1.1", Weights(weight)))
        wait_until(splits(ingress, host, weight), f"Envoy has the weight {weight}")
        assert set(answered(ingress, host, 100)) == set(VERSIONS)
    assert rejects(ingress.plane) == 0


@pytest.mark.usefixtures("pods")
def test_a_request_is_counted_under_the_service_and_the_version_that_istiod_names(
    router: ClusterRouter, ingress: Gateway, counters: Prometheus, namespace: str, host: str
) -> None:
    router.apply(Split("1.0", "1.1", Weights(50)))
    wait_until(serves(ingress, host), "the gateway serves")
    answered(ingress, host, 100)

    def found() -> dict[str, dict[str, str]]:
        query = f'istio_requests_total{{destination_service_namespace="{namespace}"}}'
        return {labels["destination_version"]: labels for labels, _ in counters.query(query)}

    wait_until(lambda: found().keys() == set(VERSIONS), "both versions are counted")
    labels = found()["1.1"]
    wanted = {
        "reporter": "source",
        "source_workload": "istio-ingressgateway",
        "destination_service": f"bert.{namespace}.svc.cluster.local",
        "destination_service_name": "bert",
        "destination_workload": "bert-1.1",
        "destination_workload_namespace": namespace,
        "destination_app": "bert",
        "response_code": "200",
        "bertmesh_cache": "miss",
    }
    assert {name: labels.get(name) for name in wanted} == wanted


def test_a_route_that_makes_no_sense_is_refused_by_istiod(mesh: ControlPlane, namespace: str) -> None:
    # The API server itself knows nothing of regular expressions.
    match = [{"uri": {"regex": "("}}]
    wrong: dict[str, Any] = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "bert", "namespace": namespace},
        "spec": {"hosts": ["bert"], "http": [{"match": match, "route": [{"destination": {"host": "bert"}}]}]},
    }
    with pytest.raises(CommandFailed, match=r'validation\.istio\.io" denied the request'):
        mesh.apply(wrong)


@pytest.mark.usefixtures("pods")
def test_without_istiod_nothing_is_written_and_the_gateway_serves_by_what_it_had(
    router: ClusterRouter, ingress: Gateway, host: str
) -> None:
    router.apply(Split("1.0", "1.1", Weights(20)))
    wait_until(serves(ingress, host), "the gateway serves")
    wait_until(splits(ingress, host, 20), "Envoy has the weight 20")
    with ingress.plane.processes["istiod"].stopped():
        with pytest.raises(ApiDown, match="failed calling webhook"):
            router.apply(Split("1.0", "1.1", Weights(50)))
        assert splits(ingress, host, 20)()
        assert set(answered(ingress, host, 100)) == set(VERSIONS)
    router.apply(Split("1.0", "1.1", Weights(50)))
    wait_until(splits(ingress, host, 50), "Envoy has the weight 50")


def test_every_style_of_routes_is_taken_by_the_api_server_and_istiod(
    mesh: ControlPlane, namespace: str, host: str
) -> None:
    mesh.apply(*service(namespace, host))
    for number, style in enumerate(Style):
        gateways = ("bert",) if style is not Style.SUBSETS else ("bert", "mesh")
        routing = Routing(style=style, gateways=gateways, hosts=(host,))
        api = ClusterApi(mesh.client())
        router = ClusterRouter(api, "bert", namespace, lambda: VERSIONS, routing=routing, holder="bert")
        router.apply(Split("1.0", "1.1", Weights(20 + number)))
        assert router.split() == Split("1.0", "1.1", Weights(20 + number))
    kinds = "virtualservices,destinationrules,httproutes"
    stored = json.loads(mesh.kubectl("get", kinds, "--namespace", namespace, "--output=json"))["items"]
    assert {each["kind"] for each in stored} == {"VirtualService", "DestinationRule", "HTTPRoute"}

"""What is a version: what its labels say is one, and nothing else that stands beside it."""

from typing import Any

import pytest

from tests.canary.operator.clusters import Cluster
from tests.support.kubeapi.samples import deployment

Document = dict[str, Any]
BESIDE = ("console", "controller", "istio")


@pytest.fixture
def beside(cluster: Cluster) -> Cluster:
    """Put Deployments beside the versions, named as a chart names them."""
    for name in BESIDE:
        labels = {"app.kubernetes.io/instance": "bert", "app.kubernetes.io/component": name}
        cluster.api.create(deployment(f"bert-{name}", replicas=1, labels=labels))
    return cluster


def test_what_only_begins_with_the_services_name_is_in_no_route(beside: Cluster) -> None:
    beside.apply()
    beside.run(beside.keeper(), 5)
    rules = beside.api.get("VirtualService", "bert")["spec"]["http"]
    pins = {each["name"] for each in rules if each["name"].startswith("pin-")}
    assert pins == {"pin-1.0", "pin-1.1", "pin-1.2"}
    subsets = beside.api.get("DestinationRule", "bert")["spec"]["subsets"]
    assert [each["name"] for each in subsets] == ["v1-0", "v1-1", "v1-2"]


def test_with_the_gateway_api_it_gets_no_service(beside: Cluster) -> None:
    beside.apply(canary=None, routing={"style": "gatewayAPI", "gateways": ["public"]})
    beside.run(beside.keeper(), 5)
    services = {each["metadata"]["name"] for each in beside.api.all("Service")}
    assert services == {"bert-v1-0", "bert-v1-1", "bert-v1-2"}


def test_it_cannot_be_put_on_trial_and_keeps_its_pods(beside: Cluster) -> None:
    beside.apply(canary="console")
    beside.run(beside.keeper(), 60)
    ready = beside.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "DeploymentMissing")
    assert "no Deployment with the labels app=bert, version=console" in ready["message"]
    assert beside.replicas("console") == 1

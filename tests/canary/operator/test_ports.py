"""The route follows the Service's ports and the versions that there are, whatever the rollout does."""

from typing import Any

import pytest

from tests.canary.operator.clusters import Cluster
from tests.support.kubeapi.samples import deployment

Document = dict[str, Any]


def service(*ports: tuple[str, int]) -> Document:
    listed = [{"name": name, "port": port, "targetPort": name} for name, port in ports]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "bert", "namespace": "default"},
        "spec": {"selector": {"app": "bert"}, "ports": listed},
    }


def ports(cluster: Cluster) -> set[int]:
    """Return the ports that the route leads to."""
    found = cluster.api.get("VirtualService", "bert")["spec"]["http"]
    return {
        target["destination"].get("port", {}).get("number", 0)
        for rule in found
        for target in rule.get("route", ())
    }


def pins(cluster: Cluster) -> set[str]:
    found = cluster.api.get("VirtualService", "bert")["spec"]["http"]
    return {rule["name"] for rule in found if rule["name"].startswith("pin-")}


@pytest.mark.parametrize("listed", [[("http", 8080)], [("http", 8080), ("grpc", 9000)]])
def test_every_destination_names_its_port(cluster: Cluster, listed: list[tuple[str, int]]) -> None:
    cluster.api.create(service(*listed))
    cluster.apply(canary=None)
    cluster.run(cluster.keeper(), 5)
    assert ports(cluster) == {number for _, number in listed}


def test_a_port_that_comes_later_is_in_the_route_soon_and_nothing_else_happens(cluster: Cluster) -> None:
    cluster.api.create(service(("http", 80)))
    cluster.apply(canary=None)
    keeper = cluster.keeper()
    cluster.run(keeper, 5)
    entries = cluster.judge[0].entries
    cluster.api.edit("Service", "bert", service(("http", 80), ("grpc", 9000)))
    cluster.run(keeper, 30, until=lambda: ports(cluster) == {80, 9000})
    assert ports(cluster) == {80, 9000}
    assert cluster.judge[0].entries == entries
    assert cluster.condition("Ready")["status"] == "True"


def test_a_version_that_comes_later_can_be_pinned_soon(cluster: Cluster) -> None:
    cluster.apply(canary=None)
    keeper = cluster.keeper()
    cluster.run(keeper, 5)
    assert pins(cluster) == {"pin-1.0", "pin-1.1", "pin-1.2"}
    cluster.api.create(deployment("bert-2.0", replicas=1))
    cluster.run(keeper, 30, until=lambda: "pin-2.0" in pins(cluster))
    assert "pin-2.0" in pins(cluster)

"""Whom a route is given to, as it stands on the cluster."""

import pytest

from mesh.cluster.parents import SOME_HOST, common_host, parents_of, pinned_request
from mesh.gateway_api import http_route
from mesh.model import Mesh, Split, Version
from mesh.routing import HeaderMatch, RouteMatch, Style
from tests.mesh.cluster.routers import STYLES, routing
from tests.mesh.cluster.test_documents import mesh, route

OWN = "bert.default.svc.cluster.local"
ISTIO, STANDARD = "networking.istio.io/v1", "gateway.networking.k8s.io/v1"


def test_a_virtual_service_without_gateways_is_that_of_the_sidecars() -> None:
    found = parents_of(route(mesh(), routing(Style.SUBSETS)))
    assert (found.gateways, found.sidecars, found.hosts) == ((), True, (OWN,))


def test_gateways_are_named_with_their_namespaces() -> None:
    shaped = routing(
        Style.SUBSETS, gateways=("own", "istio-ingress/public", "mesh"), hosts=("bert", "a.example")
    )
    found = parents_of(route(mesh(), shaped))
    assert found.gateways == ((ISTIO, "default", "own"), (ISTIO, "istio-ingress", "public"))
    assert (found.sidecars, found.hosts) == (True, (OWN, "a.example"))


def test_an_http_route_is_that_of_its_gateways_and_of_callers_of_the_service_if_it_is_a_parent() -> None:
    document = http_route(mesh(), routing(Style.GATEWAY_API))
    found = parents_of(document)
    assert (found.gateways, found.sidecars, found.hosts) == (
        ((STANDARD, "istio-ingress", "public"),),
        False,
        ("*",),
    )
    inside = http_route(mesh(), routing(Style.GATEWAY_API, hosts=("a.example",), gateways=("public", "mesh")))
    both = parents_of(inside, "corp.example")
    assert (both.gateways, both.hosts) == (((STANDARD, "default", "public"),), ("a.example",))
    assert (both.sidecars, both.inside) == (True, ("bert.default.svc.corp.example",))


@pytest.mark.parametrize(
    ("hosts", "allowed", "common"),
    [
        (["a.example"], ["*"], "a.example"),
        (["*.example"], ["a.example"], "a.example"),
        (["a.example", "b.example"], ["b.example"], "b.example"),
        (["*.example"], ["*"], "bertmesh.example"),
        (["*"], ["*"], SOME_HOST),
        (["a.example"], ["*.other"], None),
        (["example"], ["*.example"], None),
    ],
)
def test_a_host_that_both_sides_take_is_found(
    hosts: list[str], allowed: list[str], common: str | None
) -> None:
    assert common_host(hosts, allowed) == common


@pytest.mark.parametrize("style", STYLES)
def test_a_pinned_request_is_one_that_the_route_takes(style: Style) -> None:
    narrow = RouteMatch(path_prefix="/v1", headers=(HeaderMatch("x-team", "nlp"), HeaderMatch("x-any")))
    document = route(mesh(), routing(style, match=(narrow,)))
    assert pinned_request(document, "1.1") == (
        "/v1",
        {"x-model-version": "1.1", "x-team": "nlp", "x-any": "any"},
    )
    assert pinned_request(document, "2.0") is None


def test_a_pin_without_a_match_on_the_path_asks_for_the_root() -> None:
    plain = Mesh("bert", "default", (Version("1.0"),), Split("1.0"))
    assert pinned_request(route(plain, routing(Style.SUBSETS)), "1.0") == ("/", {"x-model-version": "1.0"})

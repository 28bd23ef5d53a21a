"""The proxies are asked over HTTP, as they are: two real Envoys stand for the pods of a gateway."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bertmesh.local.ports import free_port
from canary.cluster.asking import ProxyAsker, fetch
from canary.cluster.doors import Door
from canary.cluster.proof import Asked
from mesh.cluster.errors import ApiDown
from mesh.errors import MeshError
from mesh.model import Split
from mesh.problem import ASKED_FOR, ASKED_PATH
from mesh.routing import Style
from observability.names import ASK_HEADER, SPLIT_HEADER
from tests.canary.cluster.envoys import HOST, GatewayPod
from tests.canary.cluster.worlds import (
    STANDARD,
    FakeApi,
    gateway,
    pod,
    server,
    service,
    slice_of,
)
from tests.mesh.cluster.routers import at, routing, rules
from tests.mesh.cluster.test_documents import mesh, route
from tests.support.pods import FakePod, pods
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow
Document = dict[str, Any]
HTTPS = server(443, protocol="HTTPS", mode="SIMPLE")


def document(split: Split, style: Style = Style.SUBSETS, *gateways: str) -> Document:
    return route(mesh(split), routing(style, hosts=(HOST,), gateways=gateways or ("public",)))


def _held(door: Door) -> str | None:
    return fetch(door, ASKED_PATH, {ASK_HEADER: ASKED_FOR}, 5.0).headers.get(SPLIT_HEADER)


@dataclass
class World:
    """A route, a gateway with the pods ``a`` and ``b``, and who asks them."""

    api: FakeApi
    a: GatewayPod
    b: GatewayPod
    model: FakePod
    workers: ThreadPoolExecutor
    route: Document
    lost: MeshError | None = None

    def read(self) -> Document:
        if self.lost:
            raise self.lost
        return self.route

    def hold(self, split: Split, *gateway_pods: GatewayPod) -> None:
        """Let gateway pods have the rules of a split, and wait until they do."""
        known = document(split, Style.GATEWAY_API if self.route["kind"] == "HTTPRoute" else Style.SUBSETS)
        chosen = gateway_pods or (self.a, self.b)
        for each in chosen:
            each.hold(rules(known))
        doors = [Door("it", "127.0.0.1", each.http, HOST) for each in chosen]
        wait_until(lambda: all(_held(door) == split.text for door in doors), "the gateway has it")

    def asker(self, **changes: Any) -> ProxyAsker:  # noqa: ANN401 - fields of the asker
        made = ProxyAsker(self.api, "bert", "default", self.read, self.workers, ("istio-ingress",))
        return replace(made, **{"sidecar": lambda: False, "timeout_s": 5.0, **changes})

    def ask(self, split: Split, **changes: Any) -> Asked:  # noqa: ANN401 - fields of the asker
        return self.asker(**changes).ask(split)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("gateways")
    with pods("1.1") as [model], ThreadPoolExecutor(4) as workers:
        a, b = (GatewayPod(folder / name, model.port) for name in "ab")
        with a.serving(), b.serving():
            yield World(FakeApi(), a, b, model, workers, document(at(20)))


@pytest.fixture
def world(running: World) -> World:
    a, b = running.a, running.b
    running.route, running.lost = document(at(20)), None
    running.api = FakeApi(
        gateways=[gateway(server(80), HTTPS)],
        pods=[pod("a"), pod("b")],
        services=[service(http=80, https=443)],
        endpointslices=[
            slice_of("a", http=a.http, https=a.https),
            slice_of("b", http=b.http, https=b.https),
        ],
    )
    running.hold(at(20))
    return running


def test_every_pod_of_the_gateway_is_asked_by_each_of_its_ports_with_tls_too(world: World) -> None:
    before = world.a.seen() + world.b.seen()
    assert world.ask(at(20)) == Asked(hold=("istio-ingress/a", "istio-ingress/b"))
    assert world.a.seen() + world.b.seen() - before == 4


def test_one_pod_without_the_new_route_is_named_with_what_it_holds(world: World) -> None:
    world.hold(at(50), world.b)
    found = world.ask(at(50))
    assert found == Asked(hold=("istio-ingress/b",), others=("istio-ingress/a holds 1.0=80,1.1=20",))


def test_a_change_of_the_route_is_seen_as_soon_as_it_is_there(world: World) -> None:
    for split in (at(50), at(50, mirror=10), Split("1.0"), at(20)):
        assert not world.ask(split).hold or split == at(20)
        world.hold(split)
        assert len(world.ask(split).hold) == 2


def test_the_gateway_apis_route_is_told_by_its_gateways_pods_in_the_gateways_namespace(world: World) -> None:
    world.route = document(at(20), Style.GATEWAY_API)
    world.hold(at(20))
    name = {"gateway.networking.k8s.io/gateway-name": "public"}
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    own = {"name": "public", "namespace": "default"}
    world.api.gateways = [
        {"apiVersion": STANDARD, "kind": "Gateway", "metadata": own, "spec": {"listeners": listeners}}
    ]
    for each in [*world.api.pods, *world.api.services, *world.api.endpointslices]:
        each["metadata"]["namespace"] = "default"
    for each in world.api.pods:
        each["metadata"]["labels"] = name
    assert world.ask(at(20)).hold == ("default/a", "default/b")


def test_a_gateway_pod_that_does_not_answer_is_silent_unless_it_is_not_ready(world: World) -> None:
    nobody = free_port()
    world.api.endpointslices[1] = slice_of("b", http=nobody, https=nobody)
    found = world.ask(at(20))
    assert found.hold == ("istio-ingress/a",)
    assert f"istio-ingress/b does not answer at 127.0.0.1 port {nobody}" in found.silent[0]
    world.api.pods[1] = pod("b", ready=False)
    assert world.ask(at(20)) == Asked(hold=("istio-ingress/a",))


def test_one_that_is_not_ready_and_holds_another_split_is_waited_for(world: World) -> None:
    world.api.pods[1] = pod("b", ready=False)
    world.hold(at(50), world.a)
    assert world.ask(at(50)).others == ("istio-ingress/b holds 1.0=80,1.1=20",)


def test_who_answers_without_a_split_is_not_believed(world: World) -> None:
    world.api.endpointslices[1] = slice_of("b", http=world.model.port, https=world.b.https)
    assert world.ask(at(20)).silent == ("istio-ingress/b answered 200 and named no split",)


def test_rights_that_are_missing_are_named_and_nobody_is_believed(world: World) -> None:
    world.api.forbidden = {"pods"}
    found = world.ask(at(20))
    assert found.hold == ()
    assert found.silent == (
        "the operator may not list pods in namespace istio-ingress (deploy/rbac/gateways.yaml)",
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"gateways": []}, "Gateway default/public does not exist"),
        ({"pods": []}, "has no ready pod with istio=ingressgateway in istio-ingress"),
        ({"gateways": [gateway(server(80, "shop.example.com"))]}, "has no port for HTTP that takes"),
        ({"services": []}, "no Service leads to gateway pod istio-ingress/a by port 80"),
    ],
)
def test_what_cannot_be_found_is_said(world: World, change: dict[str, Any], why: str) -> None:
    for name, value in change.items():
        setattr(world.api, name, value)
    found = world.ask(at(20))
    assert found.hold == ()
    assert why in found.silent[0]


def test_an_api_that_is_away_is_no_answer(world: World) -> None:
    world.lost = ApiDown("http://api", "connection refused")
    assert "does not answer" in world.ask(at(20)).silent[0]
    assert world.asker().reach("1.1").answered is None


def test_our_own_sidecar_in_the_place_of_a_gateway_is_noticed(world: World) -> None:
    # Here all Envoys have this machine's name, as our own sidecar has our pod's.
    found = world.ask(at(20), sidecar=lambda: True, pod=socket.gethostname())
    assert found.hold == ()
    assert "our own sidecar answers for istio-ingress/a, since it catches port" in found.silent[0]


def test_without_a_gateway_our_own_sidecar_alone_can_be_asked(world: World) -> None:
    world.route = document(at(20), Style.SUBSETS, "mesh")
    found = world.ask(at(20))
    assert found == Asked(silent=("the operator has no sidecar, and the route no gateway",), callers=True)
    with_one = world.ask(at(20), sidecar=lambda: True, pod="operator-0")
    assert "the route's hosts do not name bert.default.svc.cluster.local" in with_one.silent[0]


def test_callers_of_a_service_that_is_an_http_routes_parent_need_no_host_of_it(world: World) -> None:
    world.route = document(at(20), Style.GATEWAY_API, "mesh")
    nobody = free_port()
    changes = {
        "sidecar": lambda: True,
        "domain": "invalid",
        "live_service": lambda: {"spec": {"ports": [{"name": "http", "port": nobody}]}},
    }
    found = world.ask(at(20), **changes)
    [silent] = found.silent
    assert silent.startswith(f"our own sidecar does not answer at bert.default.svc.invalid port {nobody}")


def test_a_request_with_a_versions_header_reaches_that_version_or_not(world: World) -> None:
    world.model.does.headers = {"x-model-version": "1.1"}
    assert world.asker().reach("1.1").answered is True
    assert world.model.seen[-1]["x-model-version"] == "1.1"
    world.model.does.headers = {"x-model-version": "1.0"}
    assert world.asker().reach("1.1").answered is False
    assert "no rule for the header" in world.asker().reach("7.7").words

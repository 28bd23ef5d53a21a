"""Where the pods of a gateway are asked, out of what the API server says."""

import pytest

from canary.cluster.doors import Door, Listener, Surroundings, doors_of, listeners_of, selector_of
from tests.canary.cluster.worlds import LABELS, STANDARD, Document, gateway, pod, server, service, slice_of

HOSTS = ["bert.example.com", "bert.default.svc.cluster.local"]
PLAIN = Listener(80, "bert.example.com", tls=False)


def standard(*listeners: Document) -> Document:
    metadata = {"name": "public", "namespace": "default"}
    return {
        "apiVersion": STANDARD,
        "kind": "Gateway",
        "metadata": metadata,
        "spec": {"listeners": list(listeners)},
    }


@pytest.mark.parametrize(
    ("known", "found"),
    [
        (server(80), [PLAIN]),
        (server(80, "./bert.example.com"), [PLAIN]),
        (server(80, "*/*.example.com"), [PLAIN]),
        (server(80, "other/*"), []),
        (server(80, "shop.example.com"), []),
        (server(80, httpsRedirect=True), []),
        (server(443, protocol="HTTPS", mode="SIMPLE"), [Listener(443, "bert.example.com", tls=True)]),
        (server(443, protocol="HTTPS", mode="PASSTHROUGH"), []),
        (server(9000, protocol="TCP"), []),
    ],
)
def test_of_istios_gateway_those_servers_count_that_read_requests_for_the_route(
    known: Document, found: list[Listener]
) -> None:
    assert listeners_of(gateway(known), HOSTS, "default") == found


def test_of_the_gateway_apis_gateway_those_listeners_count_that_read_requests_for_the_route() -> None:
    known = standard(
        {"name": "http", "port": 80, "protocol": "HTTP"},
        {"name": "https", "port": 443, "protocol": "HTTPS", "hostname": "*.example.com", "tls": {}},
        {"name": "shop", "port": 81, "protocol": "HTTP", "hostname": "shop.example.org"},
        {"name": "raw", "port": 82, "protocol": "TLS", "tls": {"mode": "Passthrough"}},
    )
    assert listeners_of(known, HOSTS, "default") == [PLAIN, Listener(443, "bert.example.com", tls=True)]
    assert selector_of(known) == {"gateway.networking.k8s.io/gateway-name": "public"}
    assert selector_of(gateway()) == LABELS


def test_a_pods_port_is_that_of_its_slice_and_not_that_of_the_service() -> None:
    around = Surroundings([pod("a")], [service(http=80, https=443)], [slice_of("a", http=8080, https=8443)])
    assert doors_of(PLAIN, around) == ([Door("istio-ingress/a", "127.0.0.1", 8080, "bert.example.com")], [])


def test_who_is_not_ready_or_ends_need_not_answer_and_whom_no_service_leads_to_is_named() -> None:
    pods = [pod("a"), pod("b", ready=False), pod("c", ends=True), pod("d"), pod("e", ready=False)]
    around = Surroundings(pods, [service()], [slice_of("a", "b", "c", http=8080)])
    doors, lost = doors_of(PLAIN, around)
    assert [(door.proxy, door.ready) for door in doors] == [
        ("istio-ingress/a", True),
        ("istio-ingress/b", False),
        ("istio-ingress/c", False),
    ]
    assert lost == ["no Service leads to gateway pod istio-ingress/d by port 80"]

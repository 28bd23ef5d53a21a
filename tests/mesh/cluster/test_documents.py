"""What is written on a cluster, in each style, checked by the kinds' own definitions."""

from collections.abc import Iterator
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh import gateway_api
from mesh.cluster import istio as cluster_istio
from mesh.errors import InvalidMesh
from mesh.model import Mesh, Split, Version, Weights, subset_name
from mesh.policy import Policy, Retries
from mesh.ports import Ports
from mesh.routing import HeaderMatch, RouteMatch, Routing, Style
from tests.mesh.cluster.routers import STYLES, at, rule, rules, targets, weights
from tests.mesh.cluster.routers import routing as shape
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import mesh_api

Document = dict[str, Any]


@pytest.fixture(scope="module")
def checker() -> Iterator[KubeApi]:
    with mesh_api() as server:
        yield server


SERVED = Ports.of(
    {
        "spec": {
            "ports": [
                {"name": "grpc", "port": 9000, "targetPort": "grpc", "appProtocol": "grpc"},
                {"name": "http", "port": 8080, "targetPort": "http", "nodePort": 30000},
                {"name": "http-other", "port": 9090},
            ]
        }
    }
)


def mesh(
    split: Split | None = None, *versions: str, policy: Policy | None = None, ports: Ports | None = None
) -> Mesh:
    names = versions or ("1.0", "1.1")
    known = tuple(Version(name) for name in names)
    return Mesh("bert", "default", known, split or at(20), policy or Policy(), ports=ports or Ports())


def render(given_mesh: Mesh, routing: Routing) -> list[Document]:
    renderer = gateway_api if routing.style is Style.GATEWAY_API else cluster_istio
    documents: list[Document] = renderer.render(given_mesh, routing)
    return documents


def route(given_mesh: Mesh, routing: Routing) -> Document:
    return render(given_mesh, routing)[-1]


def hosts_reached(found: Document) -> set[str]:
    """Return the subsets or Services that a rule may reach."""
    names = [target.get("destination", target) for target in targets(found)]
    return {name.get("subset") or name.get("host") or name["name"] for name in names}


def called_by_grpc(found: Document) -> bool:
    return all(
        "application/grpc" in str(match) for match in found.get("matches") or found.get("match") or [{}]
    )


def ports_reached(found: Document) -> set[int]:
    """Return the ports that a rule's requests and their copies go to, those that are not named as 0."""
    ends = [target.get("destination", target) for target in targets(found)]
    ends += [found["mirror"]] if "mirror" in found else []
    ends += [
        each["requestMirror"]["backendRef"] for each in found.get("filters", ()) if "requestMirror" in each
    ]
    named = [end.get("port", 0) for end in ends]
    return {port if isinstance(port, int) else port["number"] for port in named}


NAMES = st.from_regex(r"[a-z0-9]{1,3}([.-][a-z0-9]{1,3}){0,2}", fullmatch=True)
NAMES |= st.sampled_from(["1.0", "1.0-grpc", "grpc-1.0"])


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    # With cohorts and gRPC an HTTPRoute has no room for a fourth.
    names = draw(st.lists(NAMES, min_size=2, max_size=3, unique_by=subset_name))
    weight = draw(st.integers(0, 100))
    mirror = draw(st.integers(0, 100)) if weight < 100 else 0
    policy = Policy(timeout_s=draw(st.floats(0.01, 60)), retries=Retries(attempts=draw(st.integers(0, 3))))
    ports = draw(st.sampled_from([Ports(), SERVED]))
    return mesh(Split(names[0], names[1], Weights(weight), mirror), *names, policy=policy, ports=ports)


MATCHES = st.builds(
    RouteMatch,
    path_prefix=st.sampled_from([None, "/", "/v1"]),
    headers=st.sampled_from([(), (HeaderMatch("x-team", "nlp"),), (HeaderMatch("x-team"),)]),
)


@st.composite
def routings(draw: st.DrawFn) -> Routing:
    return shape(
        draw(st.sampled_from(STYLES)),
        hosts=draw(st.sampled_from([(), ("bert.example.org",)])),
        match=tuple(draw(st.lists(MATCHES, max_size=2))),
        header_pin=draw(st.booleans()),
        cohort_header=draw(st.sampled_from([None, "x-cohort"])),
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(meshes(), routings())
def test_every_document_is_valid_to_the_letter(checker: KubeApi, given_mesh: Mesh, routing: Routing) -> None:
    for document in render(given_mesh, routing):
        stored = checker.apply(document, "test", force=True, strict=True)
        checker.delete(stored["kind"], stored["metadata"]["name"])


@settings(max_examples=40)
@given(meshes(), routings())
def test_weights_add_up_and_pins_reach_one_version(given_mesh: Mesh, routing: Routing) -> None:
    found = route(given_mesh, routing)
    assert sum(weights(found)) == (1_000_000 if given_mesh.split.mirror else 100)
    names = [each["name"] for each in rules(found)]
    assert len(set(names)) == len(names)
    for each in rules(found):
        name = each["name"].removeprefix("grpc-")
        if name.startswith("pin-"):
            version = subset_name(name.removeprefix("pin-"))
            [host] = hosts_reached(each)
            assert host.split(".")[0] in (version, f"bert-{version}")


@settings(max_examples=40)
@given(meshes(), routings())
def test_every_destination_names_a_port_of_the_service_that_speaks_as_the_request_does(
    given_mesh: Mesh, routing: Routing
) -> None:
    ports = given_mesh.ports
    for each in rules(route(given_mesh, routing)):
        if "route" in each or "backendRefs" in each:
            refused = each["name"] in {"pod-only", "unknown-version"}
            by_grpc = ports.grpc is not None and called_by_grpc(each) and not refused
            assert ports_reached(each) == {ports.grpc if by_grpc else ports.http}


@pytest.mark.parametrize("style", STYLES)
def test_a_request_by_grpc_is_split_pinned_and_copied_as_any_other(style: Style) -> None:
    for routing in (shape(style), shape(style, cohort_header="x-cohort")):
        names = [each["name"] for each in rules(route(mesh(at(20, mirror=5), ports=SERVED), routing))]
        plain = [each["name"] for each in rules(route(mesh(at(20, mirror=5)), routing))]
        assert [name for name in names if not name.startswith("grpc-")] == plain
        # Of rules that match the first one is taken, so what is narrower comes first.
        for name in plain:
            if name not in {"asked", "pod-only", "unknown-version"}:
                assert names.index(f"grpc-{name}") == names.index(name) - 1
    assert weights(route(mesh(at(20), ports=SERVED), shape(style))) == [80, 20]
    assert [
        target["weight"]
        for target in targets(rule(route(mesh(at(20), ports=SERVED), shape(style)), "grpc-split"))
    ] == [80, 20]


def test_the_gateway_api_takes_the_rule_with_more_headers_so_a_refusal_says_grpc_too() -> None:
    found = route(mesh(at(20), ports=SERVED), shape(Style.GATEWAY_API, cohort_header="x-cohort"))
    counts = {
        each["name"]: max(len(match.get("headers", ())) for match in each["matches"]) for each in rules(found)
    }
    assert counts["unknown-version"] == counts["grpc-cohort-canary"] == 2
    names = [each["name"] for each in rules(found)]
    assert names.index("unknown-version") < names.index("grpc-cohort-canary")


@pytest.mark.parametrize("style", STYLES)
def test_a_shadow_is_mirrored_to_the_canary(style: Style) -> None:
    split = rule(route(mesh(at(0, mirror=30)), shape(style)), "split")
    if style is Style.GATEWAY_API:
        [mirror] = [each["requestMirror"] for each in split["filters"]]
        assert (mirror["backendRef"]["name"], mirror["percent"]) == ("bert-v1-1", 30)
    else:
        assert split["mirrorPercentage"] == {"value": 30}
        assert "1-1" in str(split["mirror"])


@pytest.mark.parametrize("style", STYLES)
def test_beside_a_weight_a_share_of_the_stables_requests_alone_is_mirrored(style: Style) -> None:
    split = rule(route(mesh(at(5, mirror=10)), shape(style)), "split")
    assert [target["weight"] for target in targets(split)] == [950_000, 50_000]
    if style is Style.GATEWAY_API:
        [mirror] = [each["requestMirror"] for each in split["filters"]]
        assert mirror["fraction"] == {"numerator": 95_000, "denominator": 1_000_000}
    else:
        assert split["mirrorPercentage"] == {"value": 9.5}


@pytest.mark.parametrize("style", STYLES)
def test_of_sticky_users_those_of_the_stable_are_mirrored(style: Style) -> None:
    found = route(mesh(at(20, mirror=10)), shape(style, cohort_header="x-cohort"))
    ours, theirs = str(rule(found, "cohort-stable")), str(rule(found, "cohort-canary"))
    assert "irror" not in theirs
    assert "'value': 10.0" in ours or "'percent': 10" in ours


@pytest.mark.parametrize("style", STYLES)
def test_only_the_stables_target_is_told_of_copies_and_clients_cannot(style: Style) -> None:
    for mirror in (0, 10):
        found = route(mesh(at(20, mirror=mirror)), shape(style))
        for each in rules(found):
            for target in targets(each) if "route" in each or "backendRefs" in each else ():
                told = target.get("headers", {}).get("request") or _modifier(target)
                ours = bool(mirror) and each["name"] == "split" and target is targets(each)[0]
                assert ("x-bertmesh-shadow" in str(told["set"])) == ours
                assert told.get("remove", []) == ([] if ours else ["x-bertmesh-shadow"])


def _modifier(backend: Document) -> Document:
    [modifier] = [each["requestHeaderModifier"] for each in backend["filters"]]
    return dict(modifier)


@pytest.mark.parametrize("style", STYLES)
def test_a_target_tells_its_requests_which_route_was_chosen(style: Style) -> None:
    split = rule(route(mesh(), shape(style)), "split")
    assert [name in str(target) for name, target in zip(("1.0", "1.1"), targets(split), strict=True)] == [
        True,
        True,
    ]
    assert "x-bertmesh-route" in str(targets(split)[0])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("split", [Split("1.0"), at(20), at(20, mirror=10)], ids=str)
def test_the_first_rule_names_the_split_without_asking_a_pod(style: Style, split: Split) -> None:
    asked = rules(route(mesh(split), shape(style)))[0]
    assert asked["name"] == "asked"
    assert split.text in str(asked)
    assert "route" not in asked
    assert "backendRefs" not in asked
    [match] = asked.get("matches") or asked["match"]
    assert "'x-bertmesh-ask'" in str(match)


@given(meshes(), meshes())
def test_different_splits_have_different_names(one: Mesh, other: Mesh) -> None:
    assert (one.split.text == other.split.text) == (one.split == other.split)


@pytest.mark.parametrize("style", STYLES)
def test_without_the_header_pin_there_are_no_pins(style: Style) -> None:
    names = [each["name"] for each in rules(route(mesh(), shape(style, header_pin=False)))]
    assert names == ["asked", "pod-only", "split"]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("weight", [0, 1, 99, 100])
def test_cohorts_are_told_apart_only_while_both_sides_have_traffic(style: Style, weight: int) -> None:
    names = [each["name"] for each in rules(route(mesh(at(weight)), shape(style, cohort_header="x-cohort")))]
    assert ("cohort-canary" in names) == ("cohort-stable" in names) == (0 < weight < 100)
    assert names[-1] == "split"


@pytest.mark.parametrize("style", STYLES)
def test_a_match_narrows_every_rule_but_the_one_that_only_we_ask_by(style: Style) -> None:
    narrow = RouteMatch(path_prefix="/v1", headers=(HeaderMatch("x-team", "nlp"),))
    found = rules(route(mesh(), shape(style, match=(narrow,))))
    assert "pod-only" not in [each["name"] for each in found], "no probe is below /v1"
    for each in found[1:]:
        for match in each.get("matches") or each["match"]:
            assert "/v1" in str(match)
            assert "x-team" in str(match)


def test_each_version_of_the_services_style_has_its_service_and_its_policy() -> None:
    *targets_first, last = render(mesh(), shape(Style.SERVICES))
    assert [(each["kind"], each["metadata"]["name"]) for each in targets_first] == [
        ("Service", "bert-v1-0"),
        ("Service", "bert-v1-1"),
        ("DestinationRule", "bert-v1-0"),
        ("DestinationRule", "bert-v1-1"),
    ]
    assert last["kind"] == "VirtualService"
    assert hosts_reached(rule(last, "split")) == {
        "bert-v1-0.default.svc.cluster.local",
        "bert-v1-1.default.svc.cluster.local",
    }
    assert "subset" not in str(last)


@pytest.mark.parametrize(
    ("name", "path"), [("pod-only", "only-the-pods"), ("unknown-version", "no-such-model")]
)
def test_what_the_gateway_api_cannot_answer_itself_is_a_path_that_no_pod_has(name: str, path: str) -> None:
    route = gateway_api.http_route(mesh(), Routing(style=Style.GATEWAY_API, gateways=("public",)))
    refusal = next(rule for rule in route["spec"]["rules"] if rule["name"] == name)
    (rewritten,) = refusal["filters"]
    assert path in rewritten["urlRewrite"]["path"]["replaceFullPath"]
    assert [backend["name"] for backend in refusal["backendRefs"]] == ["bert-v1-0"]


def test_a_service_is_valid_to_kubernetes_and_selects_one_version() -> None:
    for ports in (Ports(), SERVED):
        for document in gateway_api.services(mesh(ports=ports)):
            kubernetes_validate.validate(document, "1.37.0", strict=True)
        assert document["spec"]["selector"] == {"app": "bert", "version": "1.1"}


def test_the_services_of_the_versions_have_the_ports_of_the_service_that_clients_call() -> None:
    [service, _] = gateway_api.services(mesh(ports=SERVED))
    assert {(each["name"], each["port"], each.get("targetPort")) for each in service["spec"]["ports"]} == {
        ("grpc", 9000, "grpc"),
        ("http", 8080, "http"),
        ("http-other", 9090, None),
    }
    assert "nodePort" not in str(service), "it is the other Service's"


@pytest.mark.parametrize("name", ["b" * 58, "b" * 57 + ".1"])
def test_a_name_too_long_for_a_service_is_refused(name: str) -> None:
    with pytest.raises(InvalidMesh, match="shorten the version"):
        gateway_api.service_name("bert", name)


@pytest.mark.parametrize(
    ("ports", "cohort", "most"),
    [(Ports(), None, 12), (Ports(), "x-cohort", 10), (SERVED, None, 5), (SERVED, "x-cohort", 3)],
)
def test_more_versions_than_a_route_can_pin_are_refused(ports: Ports, cohort: str | None, most: int) -> None:
    def rendered(count: int, *, header_pin: bool = True) -> list[Document]:
        names = [f"1.{i}" for i in range(count)]
        shaped = shape(Style.GATEWAY_API, cohort_header=cohort, header_pin=header_pin)
        return render(mesh(at(20), *names, ports=ports), shaped)

    assert rendered(most)
    with pytest.raises(InvalidMesh, match="16 rules at most"):
        rendered(most + 1)
    assert rendered(most + 1, header_pin=False)


def test_callers_inside_the_mesh_meet_the_same_route_as_those_at_the_gateway() -> None:
    found = route(mesh(), shape(Style.GATEWAY_API, gateways=("ingress/public", "mesh"), hosts=("a.example",)))
    assert found["spec"]["parentRefs"] == [
        {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", "namespace": "ingress"},
        {"group": "", "kind": "Service", "name": "bert"},
    ]


def test_the_gateway_api_needs_a_gateway() -> None:
    with pytest.raises(InvalidMesh, match="name a Gateway, or mesh, in gateways"):
        Routing(style=Style.GATEWAY_API)

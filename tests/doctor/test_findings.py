"""Each finding: a bad example is found, the mended one is not."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doctor.check import check
from doctor.checks.owners import CONTROLLER
from doctor.checks.routes import seconds
from doctor.errors import UnknownCode
from doctor.examine.report import as_text
from doctor.examine.run import all_checks, examine
from doctor.model import Inventory, Object, Place, Severity
from mesh.cluster.router import MANAGER
from tests.doctor.cases import CASES, Change, fresh, has_case, name_of
from tests.doctor.worlds import World

ALL = [(code, change) for code, changes in CASES.items() for change in changes]


@pytest.mark.parametrize("name", ["healthy.yaml", "ambient.yaml"])
def test_nothing_is_found_in_a_healthy_mesh(name: str) -> None:
    world = World(name)
    assert as_text(world.findings(), world.inventory).endswith("0 errors, 0 warnings")


@pytest.mark.parametrize("name", ["healthy.yaml", "ambient.yaml"])
def test_nothing_is_found_in_a_healthy_mesh_on_a_cluster(name: str) -> None:
    world = World(name)
    world.place = Place.CLUSTER
    assert world.findings() == []


def test_a_mesh_that_traces_nothing_by_default_is_no_error() -> None:
    world = World()
    world["ConfigMap/istio"]["data"]["mesh"] = "{}"
    del world.spec("Telemetry/tracing")["tracing"][0]["providers"]
    [found] = world.findings("BM602")
    assert found.severity is Severity.INFO
    assert "define one in meshConfig.extensionProviders" in found.fix


def test_a_service_that_the_controller_made_for_a_version_that_is_gone_is_to_be_deleted() -> None:
    world = World()
    service = world.copy("Service/bert", "bert-v1-9")
    service["metadata"]["labels"] = {"app.kubernetes.io/managed-by": MANAGER}
    service["spec"]["selector"] = {"app": "bert", "version": "1.9"}
    [found] = world.findings("BM111")
    assert found.fix == "kubectl -n models delete service bert-v1-9"


@pytest.mark.parametrize(("code", "change"), ALL, ids=map(name_of, ALL))
def test_a_bad_example_is_found(code: str, change: Change) -> None:
    world = fresh(change)
    assert not world.findings(code)
    change(world)
    found = world.findings(code)
    assert found
    for each in found:
        assert each.seen
        assert each.field
        assert each.fix
        assert each.why


def test_every_check_has_a_case() -> None:
    assert [one.code for one in all_checks() if not has_case(one)] == []


def test_every_check_says_why_and_how() -> None:
    said = {one.code: one.paragraphs for one in all_checks()}
    good = {code for code, (title, why, fix) in said.items() if title.endswith(".") and len(why) > 40 and fix}
    assert said.keys() - good == set()


def test_the_worst_comes_first() -> None:
    world = World()
    world["Namespace/models"]["metadata"]["labels"] = {}
    world.spec("Deployment/bert-1.0")["strategy"] = {"type": "Recreate"}
    ranks = [each.severity.rank for each in world.findings()]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0


def test_a_check_can_be_left_out() -> None:
    world = World()
    world.spec("Deployment/bert-1.0")["strategy"] = {"type": "Recreate"}
    assert [each.code for each in world.findings()] == ["BM307"]
    assert examine(world.inventory, ["BM307"]) == []


def test_leaving_out_a_check_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownCode, match="BM999"):
        examine(World().inventory, ["BM999"])


def test_a_code_is_given_once() -> None:
    with pytest.raises(ValueError, match="BM101 is taken"):
        check("BM101", Severity.ERROR)(lambda _inventory: iter(()))


def test_a_port_that_no_route_leads_to_is_a_warning() -> None:
    world = World()
    del world.spec("Service/redis")["ports"][0]["name"]
    [found] = world.findings("BM101")
    assert found.severity is Severity.WARNING
    assert '"value":"tcp"' in found.fix


def test_a_pod_gets_its_severity_from_what_leads_to_it() -> None:
    world = World()
    world.drop("ModelRollout/bert")
    world.spec("Service/bert")["ports"][0]["name"] = "web"
    assert [each.severity for each in world.findings("BM101")] == [Severity.WARNING]


def test_the_own_image_keeps_connections_longer_than_the_controllers_rule() -> None:
    world = World()
    world.drop("DestinationRule/bert")
    assert not world.findings("BM301")


def test_the_command_that_mends_a_port_mends_it() -> None:
    world = World()
    world.spec("Service/bert")["ports"][0]["name"] = "web"
    [found] = world.findings("BM101")
    [patch] = json.loads(found.fix.partition("-p '")[2].rstrip("'"))
    assert patch["path"] == "/spec/ports/0/appProtocol"
    world.spec("Service/bert")["ports"][0]["appProtocol"] = patch["value"]
    assert not world.findings()


def test_the_controllers_name_is_the_routers() -> None:
    assert CONTROLLER == MANAGER


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2s", 2.0), ("500ms", 0.5), ("1m30s", 90.0), ("1h", 3600.0), ("2", None), ("", None)],
)
def test_a_duration_is_read_as_go_writes_it(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


KINDS = (
    *("Service", "Deployment", "VirtualService", "HTTPRoute", "DestinationRule", "ModelRollout", "Telemetry"),
    *("PodDisruptionBudget", "HorizontalPodAutoscaler", "Namespace", "ConfigMap", "PodMonitor", "Gateway"),
    *("AuthorizationPolicy", "RequestAuthentication", "Pod", "ServiceMonitor", "ScaledObject"),
)
KEYS = ("spec", "metadata", "name", "ports", "selector", "http", "route", "destination", "host", "template",
        "containers", "matchLabels", "labels", "tracing", "rules", "weight", "replicas", "hosts", "subsets",
        "securityContext", "env", "value", "data", "mesh", "managedFields", "fieldsV1")  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 200)
    | st.sampled_from(["", "bert", "http", "*", "10%", "2s", "a: ["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(KINDS), JSON, JSON), max_size=5), st.sampled_from(Place))
def test_no_document_makes_the_doctor_stumble(documents: list[tuple[str, Any, Any]], place: Place) -> None:
    groups = {each["kind"]: each["apiVersion"] for each in World().documents.values()}
    found = tuple(
        Object(
            {
                "apiVersion": groups.get(kind, "v1"),
                "kind": kind,
                "metadata": metadata,
                "spec": spec,
                "data": spec,
            }
        )
        for kind, metadata, spec in documents
    )
    healthy = World().inventory.objects
    examine(Inventory((*healthy, *found), place, frozenset({"default", "models"})))

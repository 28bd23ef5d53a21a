"""The validators themselves: a validator that cannot fail proves nothing."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from bertmesh.commands.routes import example_mesh
from mesh import istio
from tests.mesh.istio_schemas import Schema, crd_file, crd_schema, model_schema, problems

SCHEMAS = [model_schema, *([] if crd_file() is None else [crd_schema])]

Edit = Callable[[dict[str, Any]], object]

BAD_VIRTUAL_SERVICES: dict[str, Edit] = {
    "an unknown field": lambda spec: spec["http"][0].update(tiemout="5s"),
    "an unknown field deep inside": lambda spec: spec["http"][-1]["route"][0]["destination"].update(sub="x"),
    "an unknown field at the top": lambda spec: spec.update(host=["*"]),
    "text for a number": lambda spec: spec["http"][-1]["route"][0].update(weight="10"),
    "a number for text": lambda spec: spec["http"][-1].update(name=7),
    "a duration without a unit": lambda spec: spec["http"][-1].update(timeout="5"),
    "a duration in words": lambda spec: spec["http"][-1].update(timeout="five seconds"),
    "a duration that is too short": lambda spec: spec["http"][-1]["retries"].update(perTryTimeout="1us"),
    "a number for a duration": lambda spec: spec["http"][-1].update(timeout=5),
    "null": lambda spec: spec.update(gateways=None),
}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("what", BAD_VIRTUAL_SERVICES)
def test_a_bad_virtual_service_is_refused(what: str, schema: Callable[[str], Schema]) -> None:
    document = copy.deepcopy(istio.virtual_service(example_mesh()))
    assert problems(document, schema("VirtualService")) == []
    BAD_VIRTUAL_SERVICES[what](document["spec"])
    assert problems(document, schema("VirtualService")) != []


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_bad_destination_rule_is_refused(schema: Callable[[str], Schema]) -> None:
    document = copy.deepcopy(istio.destination_rule(example_mesh()))
    document["spec"]["trafficPolicy"]["outlierDetection"]["interval"] = "5 s"
    document["spec"]["trafficPolicy"]["connectionPool"]["tcp"]["connectTimeout"] = "soon"
    document["spec"]["subsets"][0]["label"] = {}
    assert len(problems(document, schema("DestinationRule"))) == 3


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_document_of_another_kind_or_version_is_refused(schema: Callable[[str], Schema]) -> None:
    document = istio.gateway(example_mesh())
    assert problems({**document, "kind": "VirtualService"}, schema("Gateway")) != []
    assert problems({**document, "apiVersion": "networking.istio.io/v9"}, schema("Gateway")) != []
    assert problems({**document, "status": {}}, schema("Gateway")) != []

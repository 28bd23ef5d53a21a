"""The recipes for Argo CD and Flux: they install the chart, and nothing in them fights the controller."""

from importlib import import_module
from pathlib import Path
from typing import Any

import lupa
import pytest
import yaml

from canary.resource.status import Status
from doctor.examine.run import examine
from doctor.model import Inventory, Severity
from doctor.sources.files import objects
from tests.chart.harness import OPERATOR_APIS, OWN_API, render

GITOPS = Path(__file__).resolve().parents[2] / "deploy" / "gitops"
HEALTH = "resource.customizations.health.bertmesh.dev_ModelRollout"
Document = dict[str, Any]


def documents(name: str) -> dict[str, Document]:
    return {each["kind"]: each for each in yaml.safe_load_all((GITOPS / name).read_text("utf-8"))}


def values_of(name: str) -> Document:
    found = documents(name)
    if "HelmRelease" in found:
        told: Document = found["HelmRelease"]["spec"]["values"]
        return told
    argo: Document = found["Application"]["spec"]["source"]["helm"]["valuesObject"]
    return argo


RECIPES = ("argocd/application.yaml", "flux/release.yaml")


@pytest.mark.parametrize("name", RECIPES)
def test_the_values_install_the_chart_and_the_doctor_has_nothing_to_say(name: str) -> None:
    rendered = render(values_of(name), apis=[*OPERATOR_APIS, OWN_API])
    assert not rendered.refusal
    found = Inventory(tuple(objects(rendered.text, name, "models")))
    assert [each for each in examine(found) if each.severity is not Severity.INFO] == []


@pytest.mark.parametrize("name", RECIPES)
def test_nothing_that_the_controller_writes_is_in_git(name: str) -> None:
    rendered = render(values_of(name), apis=[*OPERATOR_APIS, OWN_API])
    kinds = {each["kind"] for each in rendered.objects}
    assert not kinds & {"VirtualService", "HTTPRoute"}
    for each in rendered.all("Deployment"):
        if each["metadata"]["labels"].get("version"):
            assert "replicas" not in each["spec"]
    assert "ignoreDifferences" not in yaml.safe_dump(documents(name))


def unknown(given: Any, known: Any, path: str = "") -> list[str]:  # noqa: ANN401 - any JSON
    """Return the fields of ``given`` that a model has lost on the way, since it does not know them."""
    if isinstance(given, dict):
        return [
            found
            for key, value in given.items()
            for found in (
                unknown(value, known[key], f"{path}.{key}")
                if isinstance(known, dict) and key in known
                else [f"{path}.{key}"]
            )
        ]
    if isinstance(given, list):
        return [found for one, other in zip(given, known, strict=True) for found in unknown(one, other, path)]
    return []


@pytest.mark.parametrize(("kind", "module"), [("HelmRelease", "helm.v2"), ("GitRepository", "source.v1")])
def test_fluxs_objects_are_what_its_definitions_say(kind: str, module: str) -> None:
    model = getattr(import_module(f"cloudcoil.models.fluxcd.{module}"), kind)  # only now: it takes seconds
    given = documents("flux/release.yaml")[kind]
    read = model.model_validate(given).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert unknown(given["spec"], read["spec"]) == []


def health(status: Document | None, generation: int = 3) -> Document:
    """Return what Argo CD's own language makes of a status."""
    runtime = lupa.LuaRuntime(unpack_returned_tuples=True)
    judge = runtime.eval(f"function(obj) {documents('argocd/health.yaml')['ConfigMap']['data'][HEALTH]} end")
    rollout: Document = {"metadata": {"generation": generation}}
    if status is not None:
        rollout["status"] = status
    return dict(judge(runtime.table_from(rollout, recursive=True)))


def conditions(**told: str) -> Document:
    """Return a status with conditions, as the controller writes them."""
    found = [
        {"type": kind, "status": status, "reason": "Any", "message": f"{kind} is {status}",
         "lastTransitionTime": "2026-01-01T00:00:00Z"}
        for kind, status in told.items()
    ]  # fmt: skip
    document = {"observedGeneration": 3, "conditions": found, "message": "soaking at 20 %"}
    Status.model_validate(document)
    return document


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, ("Progressing", "the controller has not looked yet")),
        ({"observedGeneration": 2}, ("Progressing", "the controller has not looked yet")),
        (conditions(Ready="True", Progressing="True", Degraded="False"), ("Healthy", "soaking at 20 %")),
        (conditions(Ready="False", Progressing="True", Degraded="False"), ("Progressing", "Ready is False")),
        (conditions(Ready="True", Degraded="True"), ("Degraded", "Degraded is True")),
    ],
)
def test_argo_cd_tells_a_rollout_under_way_from_one_that_needs_a_person(
    status: Document | None, expected: tuple[str, str]
) -> None:
    found = health(status)
    assert (found["status"], found["message"]) == expected


def test_a_status_about_an_older_wish_is_not_believed() -> None:
    assert health(conditions(Ready="True"), generation=4)["status"] == "Progressing"


def test_argo_cds_application_syncs_on_the_server_so_that_fields_left_out_stay_with_their_owners() -> None:
    policy = documents("argocd/application.yaml")["Application"]["spec"]["syncPolicy"]
    assert "ServerSideApply=true" in policy["syncOptions"]
    assert policy["managedNamespaceMetadata"]["labels"] == {"istio-injection": "enabled"}

"""Server-side apply: who owns which field, and what happens to the fields of others."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.client import ApiClient, ApiException, CustomObjectsApi

from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.fields import from_v1, leaves, to_v1
from tests.support.kubeapi.samples import config_map, deployment, untyped

VIRTUALSERVICES = ("networking.istio.io", "v1", "default", "virtualservices")
Document = dict[str, Any]


def virtual_service(weight: int = 10, **spec: Any) -> Document:  # noqa: ANN401 - any JSON
    route = [
        {"destination": {"host": "bert", "subset": "a"}, "weight": 100 - weight},
        {"destination": {"host": "bert", "subset": "b"}, "weight": weight},
    ]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "bert", "namespace": "default"},
        "spec": {"http": [{"name": "split", "route": route}], **spec},
    }


def apply(
    client: ApiClient, document: Document, manager: str = "controller", *, force: bool = False
) -> Document:
    custom, name = untyped(CustomObjectsApi(client)), document["metadata"]["name"]
    custom.patch_namespaced_custom_object(
        *VIRTUALSERVICES,
        name,
        document,
        field_manager=manager,
        force=force,
        _content_type="application/apply-patch+yaml",
    )
    # The client reads no body from an answer 201, which is what a creation by apply gets.
    found: Document = custom.get_namespaced_custom_object(*VIRTUALSERVICES, name)
    return found


def owners(document: Document) -> dict[str, set[str]]:
    """Return the managers of each field of the spec, by its first name."""
    found: dict[str, set[str]] = {}
    for entry in document["metadata"]["managedFields"]:
        for name in entry["fieldsV1"].get("f:spec", {}):
            found.setdefault(name.removeprefix("f:"), set()).add(entry["manager"])
    return found


def test_apply_creates_what_is_not_there(api: KubeApi, client: ApiClient) -> None:
    apply(client, virtual_service())
    found = api.get("VirtualService", "bert")
    assert found["spec"]["http"][0]["route"][1]["weight"] == 10
    [entry] = found["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("controller", "Apply")
    assert entry["fieldsV1"] == {"f:spec": {"f:http": {}}}


def test_applying_the_same_again_writes_nothing(client: ApiClient) -> None:
    first = apply(client, virtual_service())
    assert apply(client, virtual_service()) == first


def test_fields_of_others_survive(api: KubeApi, client: ApiClient) -> None:
    apply(client, virtual_service())
    api.edit(
        "VirtualService", "bert", {"metadata": {"annotations": {"team": "nlp"}}, "spec": {"exportTo": ["."]}}
    )
    apply(client, virtual_service(20))
    found = api.get("VirtualService", "bert")
    assert found["spec"]["http"][0]["route"][1]["weight"] == 20
    assert (found["metadata"]["annotations"], found["spec"]["exportTo"]) == ({"team": "nlp"}, ["."])
    assert owners(found) == {"http": {"controller"}, "exportTo": {"kubectl-edit"}}


def test_a_list_without_keys_changes_hands_as_a_whole(api: KubeApi, client: ApiClient) -> None:
    apply(client, virtual_service(10))
    api.edit("VirtualService", "bert", {"spec": virtual_service(90)["spec"]})
    assert owners(api.get("VirtualService", "bert")) == {"http": {"kubectl-edit"}}
    with pytest.raises(ApiException) as refused:
        apply(client, virtual_service(20))
    status = json.loads(refused.value.body or "")
    assert (refused.value.status, status["reason"]) == (409, "Conflict")
    [cause] = status["details"]["causes"]
    assert cause["reason"] == "FieldManagerConflict"
    assert cause["field"] == ".spec.http"
    assert 'conflict with "kubectl-edit"' in cause["message"]


def test_force_takes_the_fields_over(api: KubeApi, client: ApiClient) -> None:
    apply(client, virtual_service(10))
    api.edit("VirtualService", "bert", {"spec": virtual_service(90)["spec"]})
    apply(client, virtual_service(20), force=True)
    found = api.get("VirtualService", "bert")
    assert found["spec"]["http"][0]["route"][1]["weight"] == 20
    assert owners(found) == {"http": {"controller"}}


def test_two_that_apply_the_same_value_own_it_together(client: ApiClient) -> None:
    apply(client, virtual_service(10), "one")
    both = apply(client, virtual_service(10), "two")
    assert owners(both) == {"http": {"one", "two"}}


def test_what_is_no_longer_applied_goes_unless_somebody_else_owns_it(client: ApiClient) -> None:
    apply(client, virtual_service(hosts=["a"], exportTo=["."]), "one")
    apply(client, virtual_service(exportTo=["."]), "two")
    left = apply(client, virtual_service(), "one")
    assert "hosts" not in left["spec"]
    assert left["spec"]["exportTo"] == ["."]


def test_an_applied_resource_version_must_be_current(api: KubeApi, client: ApiClient) -> None:
    seen = apply(client, virtual_service())["metadata"]["resourceVersion"]
    api.edit("VirtualService", "bert", {"metadata": {"labels": {"a": "b"}}})
    document = virtual_service(30)
    document["metadata"]["resourceVersion"] = seen
    with pytest.raises(ApiException) as refused:
        apply(client, document, force=True)
    assert refused.value.status == 409


def test_apply_needs_a_manager(client: ApiClient) -> None:
    with pytest.raises(ApiException) as refused:
        untyped(CustomObjectsApi(client)).patch_namespaced_custom_object(
            *VIRTUALSERVICES, "bert", virtual_service(), _content_type="application/apply-patch+yaml"
        )
    assert refused.value.status == 422


def test_lists_with_keys_are_merged_by_item(api: KubeApi) -> None:
    api.create(deployment("bert-1.1"), manager="chart")
    sidecar = {"name": "proxy", "image": "proxy"}
    config = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "bert-1.1"},
        "spec": {"template": {"spec": {"containers": [sidecar]}}},
    }
    found = api.apply(config, "injector")
    names = [container["name"] for container in found["spec"]["template"]["spec"]["containers"]]
    assert names == ["pod", "proxy"]
    config["spec"] = {"template": {"spec": {"containers": []}}}
    found = api.apply(config, "injector")
    assert [container["name"] for container in found["spec"]["template"]["spec"]["containers"]] == ["pod"]


def test_conditions_of_two_controllers_stand_side_by_side(api: KubeApi) -> None:
    api.create(
        {
            "apiVersion": "bertmesh.dev/v1alpha1",
            "kind": "ModelRollout",
            "metadata": {"name": "bert"},
            "spec": {"service": "bert", "stable": "1.0"},
        }
    )

    def condition(kind: str, status: str) -> Document:
        return {
            "type": kind,
            "status": status,
            "reason": "R",
            "message": "",
            "lastTransitionTime": "2026-11-21T10:00:00Z",
        }

    def report(manager: str, *conditions: Document) -> list[Document]:
        config = {
            "apiVersion": "bertmesh.dev/v1alpha1",
            "kind": "ModelRollout",
            "metadata": {"name": "bert"},
            "status": {"conditions": list(conditions)},
        }
        found: list[Document] = api.apply(config, manager, subresource="status")["status"]["conditions"]
        return found

    report("one", condition("Ready", "True"))
    found = report("two", condition("Audited", "False"))
    assert [item["type"] for item in found] == ["Ready", "Audited"]
    assert [item["type"] for item in report("two")] == ["Ready"]


def test_an_update_owns_what_it_changed(api: KubeApi) -> None:
    api.create(config_map({"a": "1", "b": "1"}), manager="one")
    api.edit("ConfigMap", "settings", {"data": {"b": "2", "c": "3"}}, manager="two")
    entries = {
        entry["manager"]: entry["fieldsV1"]
        for entry in api.get("ConfigMap", "settings")["metadata"]["managedFields"]
    }
    assert entries == {"one": {"f:data": {"f:a": {}}}, "two": {"f:data": {"f:b": {}, "f:c": {}}}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text("ab", max_size=2),
    lambda inner: st.dictionaries(st.text("abc.", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(JSON.filter(lambda value: isinstance(value, dict) and bool(value)))
def test_a_field_set_survives_its_written_form(value: Document) -> None:
    fields = frozenset(leaves({}, value))
    assert from_v1(to_v1(fields)) == fields

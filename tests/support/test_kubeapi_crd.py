"""Custom kinds: pruning, defaults, validation by schema and by CEL, and what kubectl sees of them."""

import json
import subprocess

import pytest
from kubernetes.client import ApiClient, ApiException, CustomObjectsApi

from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import open_definition
from tests.support.kubeapi.problem import ApiError
from tests.support.kubeapi.samples import rollout, untyped

MODELROLLOUTS = ("bertmesh.dev", "v1alpha1", "default", "modelrollouts")


def test_unknown_fields_are_pruned_with_a_warning_and_defaults_are_filled_in(api: KubeApi) -> None:
    found = api.create(rollout(policy={"profil": "fast"}))
    assert "profil" not in found["spec"]["policy"]
    assert found["spec"]["policy"]["profile"] == "default"


def test_unknown_fields_are_refused_where_strictness_is_asked_for(client: ApiClient) -> None:
    with pytest.raises(ApiException) as refused:
        untyped(CustomObjectsApi(client)).create_namespaced_custom_object(
            *MODELROLLOUTS, rollout(policy={"profil": "fast"}), field_validation="Strict"
        )
    assert refused.value.status == 400
    assert 'unknown field \\"spec.policy.profil\\"' in str(refused.value.body)


def test_every_field_at_fault_is_named(client: ApiClient) -> None:
    steps = [{"weight": 0}, {"weight": 200}]
    with pytest.raises(ApiException) as refused:
        untyped(CustomObjectsApi(client)).create_namespaced_custom_object(
            *MODELROLLOUTS, rollout(stable="No Name", policy={"steps": steps})
        )
    status = json.loads(refused.value.body or "")
    fields = [cause["field"] for cause in status["details"]["causes"]]
    assert refused.value.status == 422
    assert sorted(fields) == ["spec.policy.steps[0].weight", "spec.policy.steps[1].weight", "spec.stable"]


def test_rules_between_fields_are_checked(api: KubeApi) -> None:
    with pytest.raises(ApiError, match="name the new version in canary"):
        api.create(rollout(canary="1.0"))


def test_rules_about_a_change_look_at_what_was_there(api: KubeApi) -> None:
    api.create(rollout())
    with pytest.raises(ApiError, match="service cannot be changed"):
        api.edit("ModelRollout", "bert", {"spec": {"service": "gpt"}})
    assert api.get("ModelRollout", "bert")["spec"]["service"] == "bert"


def test_a_definition_with_a_rule_that_does_not_compile_is_refused(api: KubeApi) -> None:
    definition = open_definition("example.org", "v1", "things", "Thing")
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["x-kubernetes-validations"] = [{"rule": "self.a >"}]
    with pytest.raises(ApiError, match="mismatched input"):
        api.create(definition)


def test_a_kind_is_served_as_soon_as_it_is_defined_and_no_longer_than_that(
    api: KubeApi, client: ApiClient
) -> None:
    custom = untyped(CustomObjectsApi(client))
    api.create(open_definition("example.org", "v1", "things", "Thing"))
    thing = {
        "apiVersion": "example.org/v1",
        "kind": "Thing",
        "metadata": {"name": "a"},
        "any": {"field": [1]},
    }
    place = ("example.org", "v1", "default", "things")
    assert custom.create_namespaced_custom_object(*place, thing)["any"] == {"field": [1]}
    api.delete("CustomResourceDefinition", "things.example.org", "")
    with pytest.raises(ApiException) as refused:
        custom.list_namespaced_custom_object(*place)
    assert refused.value.status == 404


def test_kubectl_shows_the_printer_columns(api: KubeApi, kubectl: list[str]) -> None:
    api.create(rollout())
    api.edit_status(
        "ModelRollout", "bert", {"phase": "Progressing", "stable": "1.0", "canary": "1.1", "weightProved": 20}
    )
    shown = subprocess.run([*kubectl, "get", "mr"], capture_output=True, text=True, check=True, timeout=30)
    header, row = (line.split() for line in shown.stdout.splitlines())
    assert header == ["NAME", "PHASE", "STABLE", "CANARY", "WEIGHT", "STEP", "VERDICT", "AGE"]
    assert row[:5] == ["bert", "Progressing", "1.0", "1.1", "20"]


def test_kubectl_applies_on_the_server_and_sees_conflicts(api: KubeApi, kubectl: list[str]) -> None:
    command = [*kubectl, "apply", "--server-side", "--validate=false", "-f", "-"]

    def apply(document: dict[str, object]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, input=json.dumps(document), capture_output=True, text=True, check=False, timeout=30
        )

    assert apply(rollout(suspend=True)).returncode == 0
    api.edit("ModelRollout", "bert", {"spec": {"suspend": False}}, manager="console")
    refused = apply(rollout(suspend=True))
    assert refused.returncode == 1
    assert 'conflict with "console"' in refused.stderr


def test_kubectl_refuses_with_our_own_sentence(kubectl: list[str]) -> None:
    command = [*kubectl, "create", "--validate=false", "-f", "-"]
    document = json.dumps(rollout(policy={"steps": [{"weight": 50}, {"weight": 20}]}))
    refused = subprocess.run(command, input=document, capture_output=True, text=True, check=False, timeout=30)
    assert "weights of the steps must ascend, each above the one before: 5, 20, 50, 100" in refused.stderr

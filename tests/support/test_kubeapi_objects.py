"""The test server's objects, seen by the real client."""

from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes.client import (
    ApiClient,
    ApiException,
    AppsV1Api,
    CoordinationV1Api,
    CoreV1Api,
    CustomObjectsApi,
)
from kubernetes.client.models import V1Lease, V1LeaseSpec, V1ObjectMeta

from tests.support.kubeapi import Fault, KubeApi
from tests.support.kubeapi.problem import ApiError
from tests.support.kubeapi.samples import config_map, deployment, rollout, untyped

MODELROLLOUTS = ("bertmesh.dev", "v1alpha1", "default", "modelrollouts")
MERGE = "application/merge-patch+json"


def test_an_update_with_a_stale_resource_version_is_a_conflict(api: KubeApi, client: ApiClient) -> None:
    core = untyped(CoreV1Api(client))
    api.create(config_map({"a": "1"}))
    first = core.read_namespaced_config_map("settings", "default")
    second = core.read_namespaced_config_map("settings", "default")
    first.data = {"a": "2"}
    core.replace_namespaced_config_map("settings", "default", first)
    second.data = {"a": "3"}
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("settings", "default", second)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    assert core.read_namespaced_config_map("settings", "default").data == {"a": "2"}


def test_a_custom_object_cannot_be_updated_blindly(api: KubeApi, client: ApiClient) -> None:
    custom = untyped(CustomObjectsApi(client))
    api.create(rollout())
    with pytest.raises(ApiException) as refused:
        custom.replace_namespaced_custom_object(*MODELROLLOUTS, "bert", rollout())
    assert refused.value.status == 422
    assert "resourceVersion" in str(refused.value.body)


def test_a_patch_that_names_a_stale_resource_version_is_a_conflict(api: KubeApi, client: ApiClient) -> None:
    seen = api.create(config_map({"a": "1"}))["metadata"]["resourceVersion"]
    api.edit("ConfigMap", "settings", {"data": {"a": "2"}})
    patch = {"metadata": {"resourceVersion": seen}, "data": {"a": "3"}}
    with pytest.raises(ApiException) as refused:
        untyped(CoreV1Api(client)).patch_namespaced_config_map("settings", "default", patch)
    assert refused.value.status == 409


def test_what_exists_cannot_be_created_again_and_what_does_not_cannot_be_found(
    api: KubeApi, client: ApiClient
) -> None:
    core = untyped(CoreV1Api(client))
    api.create(config_map({}))
    with pytest.raises(ApiException) as twice:
        core.create_namespaced_config_map("default", config_map({}))
    with pytest.raises(ApiException) as missing:
        core.read_namespaced_config_map("other", "default")
    with pytest.raises(ApiException) as nowhere:
        core.create_namespaced_config_map("nowhere", config_map({}))
    assert (twice.value.status, missing.value.status, nowhere.value.status) == (409, 404, 404)


def test_a_change_that_changes_nothing_writes_nothing(api: KubeApi) -> None:
    before = api.create(config_map({"a": "1"}))
    after = api.edit("ConfigMap", "settings", {"data": {"a": "1"}})
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_the_generation_counts_changes_of_the_spec_only(api: KubeApi, client: ApiClient) -> None:
    custom = untyped(CustomObjectsApi(client))
    api.create(rollout())

    def generation() -> int:
        found: int = api.get("ModelRollout", "bert")["metadata"]["generation"]
        return found

    custom.patch_namespaced_custom_object(
        *MODELROLLOUTS,
        "bert",
        {"metadata": {"labels": {"a": "b"}}},
        _content_type=MERGE,
    )
    custom.patch_namespaced_custom_object_status(
        *MODELROLLOUTS, "bert", {"status": {"phase": "Paused"}}, _content_type=MERGE
    )
    assert generation() == 1
    custom.patch_namespaced_custom_object(
        *MODELROLLOUTS, "bert", {"spec": {"suspend": True}}, _content_type=MERGE
    )
    assert generation() == 2


def test_status_and_spec_are_written_apart(api: KubeApi, client: ApiClient) -> None:
    custom = untyped(CustomObjectsApi(client))
    api.create({**rollout(), "status": {"phase": "Failed"}})
    assert "status" not in api.get("ModelRollout", "bert")
    both = {"spec": {"suspend": True}, "status": {"phase": "Paused"}}
    custom.patch_namespaced_custom_object_status(*MODELROLLOUTS, "bert", both, _content_type=MERGE)
    found = api.get("ModelRollout", "bert")
    assert (found["spec"]["suspend"], found["status"]["phase"]) == (False, "Paused")
    custom.patch_namespaced_custom_object(
        *MODELROLLOUTS, "bert", {"status": {"phase": "Failed"}}, _content_type=MERGE
    )
    assert api.get("ModelRollout", "bert")["status"]["phase"] == "Paused"


def test_an_object_with_a_finalizer_stays_until_the_finalizer_is_gone(
    api: KubeApi, client: ApiClient
) -> None:
    custom = untyped(CustomObjectsApi(client))
    api.create(rollout(finalizers=["bertmesh.dev/traffic"]))
    custom.delete_namespaced_custom_object(*MODELROLLOUTS, "bert")
    dying = api.get("ModelRollout", "bert")
    assert "deletionTimestamp" in dying["metadata"]
    with pytest.raises(ApiException) as refused:
        custom.patch_namespaced_custom_object(
            *MODELROLLOUTS,
            "bert",
            {"metadata": {"finalizers": ["bertmesh.dev/traffic", "late"]}},
            _content_type=MERGE,
        )
    assert refused.value.status == 422
    custom.patch_namespaced_custom_object(
        *MODELROLLOUTS,
        "bert",
        {"metadata": {"finalizers": None}},
        _content_type=MERGE,
    )
    assert not api.has("ModelRollout", "bert")


def test_a_deletion_can_ask_for_the_object_that_was_seen(api: KubeApi, client: ApiClient) -> None:
    api.create(config_map({}))
    with pytest.raises(ApiException) as refused:
        untyped(CoreV1Api(client)).delete_namespaced_config_map(
            "settings", "default", body={"preconditions": {"uid": "another"}}
        )
    assert refused.value.status == 409


def test_lists_can_be_narrowed_by_labels_and_fields(api: KubeApi, client: ApiClient) -> None:
    core = untyped(CoreV1Api(client))
    for name, version in (("a", "1.0"), ("b", "1.1"), ("c", "")):
        labels = {"app": "bert", "version": version} if version else {"app": "bert"}
        api.create(config_map({}, name=name, labels=labels))

    def names(**selectors: str) -> str:
        return "".join(
            item.metadata.name for item in core.list_namespaced_config_map("default", **selectors).items
        )

    assert names(label_selector="app=bert,version=1.0") == "a"
    assert names(label_selector="version in (1.0, 1.1)") == "ab"
    assert names(label_selector="version!=1.0") == "bc"
    assert names(label_selector="!version") == "c"
    assert names(label_selector="version") == "ab"
    assert names(field_selector="metadata.name=b") == "b"


def test_a_deployment_is_scaled_by_its_subresource(api: KubeApi, client: ApiClient) -> None:
    apps = untyped(AppsV1Api(client))
    api.create(deployment("bert-1.1", replicas=0))
    apps.patch_namespaced_deployment_scale("bert-1.1", "default", {"spec": {"replicas": 2}})
    assert apps.read_namespaced_deployment_scale("bert-1.1", "default").spec.replicas == 2
    api.settle("bert-1.1", ready=1)
    found = apps.read_namespaced_deployment("bert-1.1", "default")
    assert (found.spec.replicas, found.status.ready_replicas, found.metadata.generation) == (2, 1, 2)


def test_a_strategic_patch_merges_lists_by_their_key(api: KubeApi, client: ApiClient) -> None:
    api.create(deployment("bert-1.1"))
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "pod", "image": "new"}]}}}}
    untyped(AppsV1Api(client)).patch_namespaced_deployment("bert-1.1", "default", patch)
    [container] = api.get("Deployment", "bert-1.1")["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["ports"]) == ("new", [{"containerPort": 8080, "protocol": "TCP"}])


def test_custom_kinds_take_no_strategic_patch(api: KubeApi, client: ApiClient) -> None:
    api.create(rollout())
    with pytest.raises(ApiException) as refused:
        untyped(CustomObjectsApi(client)).patch_namespaced_custom_object(
            *MODELROLLOUTS,
            "bert",
            {"spec": {"suspend": True}},
            _content_type="application/strategic-merge-patch+json",
        )
    assert refused.value.status == 415


def test_of_two_that_want_a_lease_one_gets_it(client: ApiClient) -> None:
    leases = untyped(CoordinationV1Api(client))
    leases.create_namespaced_lease(
        "default", V1Lease(metadata=V1ObjectMeta(name="leader"), spec=V1LeaseSpec())
    )
    one = leases.read_namespaced_lease("leader", "default")
    two = leases.read_namespaced_lease("leader", "default")
    one.spec.holder_identity, two.spec.holder_identity = "one", "two"
    leases.replace_namespaced_lease("leader", "default", one)
    with pytest.raises(ApiException) as lost:
        leases.replace_namespaced_lease("leader", "default", two)
    assert lost.value.status == 409
    assert leases.read_namespaced_lease("leader", "default").spec.holder_identity == "one"


def test_the_times_of_a_lease_have_six_digits_of_a_second(api: KubeApi, client: ApiClient) -> None:
    leases = untyped(CoordinationV1Api(client))
    now = datetime(2026, 11, 21, 10, 0, 0, 250, tzinfo=UTC)
    spec = V1LeaseSpec(holder_identity="one", renew_time=now, lease_duration_seconds=15)
    leases.create_namespaced_lease("default", V1Lease(metadata=V1ObjectMeta(name="leader"), spec=spec))
    assert leases.read_namespaced_lease("leader", "default").spec.renew_time == now
    with pytest.raises(ApiError, match=r"spec\.renewTime"):
        api.edit("Lease", "leader", {"spec": {"renewTime": "2026-11-21T10:00:00Z"}})


def test_a_wrong_type_in_a_built_in_kind_is_refused(api: KubeApi) -> None:
    broken = deployment("bert-1.1")
    broken["spec"]["replicas"] = "two"
    with pytest.raises(ApiError, match=r"spec\.replicas"):
        api.create(broken)
    assert not api.has("Deployment", "bert-1.1")


def test_a_token_may_do_what_its_roles_say_and_nothing_else(api: KubeApi) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}
    role = {"kind": "Role", "metadata": {"name": "reader", "namespace": "default"}, "rules": [rule]}
    api.grant("reader", [role])
    api.create(config_map({}))
    core = untyped(CoreV1Api(api.client(token="reader")))
    assert core.read_namespaced_config_map("settings", "default").metadata.name == "settings"
    for call in (
        lambda: core.delete_namespaced_config_map("settings", "default"),
        lambda: core.list_namespaced_secret("default"),
        core.list_config_map_for_all_namespaces,
    ):
        with pytest.raises(ApiException) as refused:
            call()
        assert refused.value.status == 403


def test_who_creates_by_apply_needs_the_right_to_create(api: KubeApi) -> None:
    rule = {"apiGroups": ["bertmesh.dev"], "resources": ["modelrollouts"], "verbs": ["get", "patch"]}
    api.grant("patcher", [{"kind": "Role", "metadata": {"namespace": "default"}, "rules": [rule]}])
    custom = untyped(CustomObjectsApi(api.client(token="patcher")))

    def apply(**spec: Any) -> None:  # noqa: ANN401 - any JSON
        custom.patch_namespaced_custom_object(
            *MODELROLLOUTS,
            "bert",
            rollout(**spec),
            field_manager="me",
            _content_type="application/apply-patch+yaml",
        )

    with pytest.raises(ApiException) as refused:
        apply()
    assert refused.value.status == 403
    api.create(rollout(), manager="me")
    apply(suspend=False)


def test_a_fault_happens_as_often_as_was_said(api: KubeApi, client: ApiClient) -> None:
    api.fail(Fault(code=503, times=2, path="/configmaps"))
    core = untyped(CoreV1Api(client))
    codes = []
    for _ in range(3):
        try:
            core.list_namespaced_config_map("default")
        except ApiException as error:
            codes.append(error.status)
    assert codes == [503, 503]


def test_the_server_comes_back_on_the_same_port_with_all_it_had(api: KubeApi, client: ApiClient) -> None:
    api.create(config_map({"a": "1"}))
    api.stop()
    with pytest.raises(Exception, match="refused"):
        untyped(CoreV1Api(client)).read_namespaced_config_map("settings", "default")
    api.start()
    assert untyped(CoreV1Api(client)).read_namespaced_config_map("settings", "default").data == {"a": "1"}

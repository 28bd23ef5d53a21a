"""The doctor on a cluster: what it reads, and what it says when it may not."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bertmesh.commands.cli import cli
from doctor.errors import NothingAllowed
from doctor.examine.reference import rights
from doctor.examine.run import examine
from doctor.model import Inventory, Place
from doctor.sources import cluster
from mesh.cluster.api import ApiResponse, ClusterApi
from tests.doctor.worlds import World
from tests.support.kubeapi import KubeApi

NAMESPACES = ("models",)


def fill(api: KubeApi, world: World, manager: str = "helm") -> None:
    for each in world.documents.values():
        if each["kind"] == "Namespace":
            api.edit("Namespace", "models", {"metadata": {"labels": each["metadata"]["labels"]}})
        else:
            api.apply(each, manager)


def look(api: KubeApi, token: str = "") -> Inventory:
    return cluster.read(ClusterApi(api.client(token)), NAMESPACES)


def codes(inventory: Inventory) -> list[str]:
    return [each.code for each in examine(inventory)]


def test_nothing_is_found_on_a_healthy_cluster(api: KubeApi) -> None:
    fill(api, World())
    found = look(api)
    assert codes(found) == []
    assert found.place is Place.CLUSTER
    assert len(found.objects) >= len(World().documents)


def test_the_doctor_only_reads(api: KubeApi) -> None:
    fill(api, World())
    before = len(api.writes())
    look(api)
    assert len(api.writes()) == before


def test_replicas_that_helm_owns_beside_an_autoscaler_are_found_by_their_manager(api: KubeApi) -> None:
    world = World()
    world.spec("Deployment/bert-1.0")["replicas"] = 2
    fill(api, world)
    [found] = examine(look(api))
    assert (found.code, found.field) == ("BM401", "spec.replicas")
    assert "set by helm" in found.seen


def test_an_autoscaler_that_has_scaled_is_no_finding(api: KubeApi) -> None:
    fill(api, World())
    api.edit("Deployment", "bert-1.0", {"spec": {"replicas": 4}}, "models", "kube-controller-manager")
    assert codes(look(api)) == []


BERT = {"host": "bert", "subset": "v1-0", "port": {"number": 80}}


def test_a_route_that_helm_and_the_controller_write_is_found_by_its_managers(api: KubeApi) -> None:
    fill(api, World())
    route: dict[str, Any] = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "bert", "namespace": "models"},
        "spec": {
            "hosts": ["bert.example.org"],
            "gateways": ["models/public"],
            "http": [{"route": [{"destination": BERT, "weight": 100}]}],
        },
    }
    api.apply(route, "bertmesh-controller")
    assert codes(look(api)) == []
    api.apply({**route, "spec": {"http": route["spec"]["http"]}}, "helm", force=True)
    [found] = examine(look(api))
    assert found.code == "BM205"
    assert "bertmesh-controller, helm" in found.seen


def test_a_kind_that_the_cluster_lacks_is_found_where_a_rollout_needs_it(api: KubeApi) -> None:
    fill(api, World())
    api.delete("CustomResourceDefinition", "virtualservices.networking.istio.io", "")
    [found] = examine(look(api))
    assert found.code == "BM701"
    assert "VirtualService of networking.istio.io" in found.seen


def test_a_cluster_without_the_projects_own_kind_is_told(api: KubeApi) -> None:
    world = World()
    world.drop("ModelRollout/bert")
    fill(api, world)
    api.delete("CustomResourceDefinition", "modelrollouts.bertmesh.dev", "")
    assert "BM701" in codes(look(api))


def test_what_may_not_be_read_is_told_and_not_judged(api: KubeApi) -> None:
    fill(api, World())
    readable = ["services", "deployments", "namespaces", "configmaps", "modelrollouts", "destinationrules"]
    rule = {"apiGroups": ["*"], "resources": readable, "verbs": ["get", "list"]}
    api.grant("reader", [{"kind": "ClusterRole", "rules": [rule]}])
    found = look(api, "reader")
    told = {each.object.split()[0] for each in examine(found) if each.code == "BM702"}
    assert {"Telemetry", "PodMonitor", "Pod"} <= told
    assert not [each for each in codes(found) if each == "BM206"]


def test_the_rights_in_the_reference_are_enough(api: KubeApi) -> None:
    fill(api, World())
    api.grant("doctor", [rights()])
    assert codes(look(api, "doctor")) == []


def test_a_cluster_that_shows_nothing_is_no_clean_bill(api: KubeApi) -> None:
    api.grant("nobody", [])
    with pytest.raises(NothingAllowed, match="403"):
        look(api, "nobody")


def run(api: KubeApi, tmp_path: Path, *words: str) -> Result:
    config = str(api.kubeconfig(tmp_path / "kubeconfig"))
    return CliRunner().invoke(cli, ["doctor", "--kubeconfig", config, *words])


def test_the_command_looks_at_the_namespaces_that_it_is_given(api: KubeApi, tmp_path: Path) -> None:
    fill(api, World())
    result = run(api, tmp_path, "-n", "models", "--context", "test")
    assert result.exit_code == 0, result.output
    assert "on the cluster: 0 errors, 0 warnings" in result.output


def test_files_are_compared_with_the_kinds_of_a_cluster(api: KubeApi, tmp_path: Path) -> None:
    world = World()
    world.add("{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: redis}, "
              "spec: {scaleTargetRef: {kind: StatefulSet, name: redis}}}")  # fmt: skip
    (tmp_path / "all.yaml").write_text(world.yaml)
    result = run(api, tmp_path, str(tmp_path / "all.yaml"), "--context", "test")
    assert result.exit_code == 1
    assert "ScaledObject of keda.sh, which the cluster does not serve" in result.output


def test_an_api_that_is_down_is_an_exit_code_of_two(tmp_path: Path, api: KubeApi) -> None:
    config = str(api.kubeconfig(tmp_path / "kubeconfig"))
    api.stop()
    result = CliRunner().invoke(cli, ["doctor", "--kubeconfig", config, "-n", "models"])
    api.start()
    assert result.exit_code == 2
    assert "does not answer" in result.output
    assert "Traceback" not in result.output


def test_a_context_that_does_not_exist_is_an_exit_code_of_two(tmp_path: Path, api: KubeApi) -> None:
    result = run(api, tmp_path, "-n", "models", "--context", "elsewhere")
    assert result.exit_code == 2
    assert "no cluster to talk to" in result.output


class Paged(ClusterApi):
    """Answers lists in two pages."""

    def __init__(self) -> None: ...

    def request(self, method: str, path: str, **options: Any) -> ApiResponse:  # noqa: ANN401 - as the real one
        assert method == "GET"
        assert path.endswith("/namespaces/models/services")
        pages: dict[str, dict[str, Any]] = {
            "": {"items": [{"metadata": {"name": "a"}}], "metadata": {"continue": "next"}},
            "next": {"items": [{"metadata": {"name": "b"}}], "metadata": {}},
        }
        return ApiResponse(200, pages[options["query"].get("continue", "")])


def test_long_lists_are_read_page_by_page() -> None:
    reading = cluster.ClusterSnapshot(Paged())
    reading.listed(cluster.RESOURCES[0], "models")
    assert [each.name for each in reading.objects] == ["a", "b"]

"""What holds for all objects of every scenario."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.harness import (
    CHART,
    NAMESPACE,
    OPERATOR_APIS,
    OWN_API,
    RELEASE,
    SCENARIOS,
    Document,
    Rendering,
    containers,
    pods,
    render,
    run,
    scenario,
)
from tests.chart.schemas import wrong

WANTED = {
    "air-gapped",
    "ambient",
    "external-redis",
    "gateway-api",
    "gpu",
    "minimal",
    "no-prometheus-operator",
    "production",
}
SELECTED_BY_LABELS = {"PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication", "Telemetry"}
every_scenario = pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)


def rendered(path: Path) -> Rendering:
    found = render(scenario(path), apis=OPERATOR_APIS)
    assert found.refusal == ""
    return found


def identity(document: Document) -> tuple[str, str, str]:
    return document["kind"], document["metadata"].get("namespace", ""), document["metadata"]["name"]


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def values_of(name: str, part: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    """Yield all values of keys called ``name``, at any depth."""
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key == name:
                yield value
            yield from values_of(name, value)
    elif isinstance(part, list):
        for each in part:
            yield from values_of(name, each)


def selectors(documents: tuple[Document, ...]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield who selects pods of this release, and by which labels."""
    for each in documents:
        spec, kind = each.get("spec", {}), each["kind"]
        name = f"{kind} {each['metadata']['name']}"
        if kind == "Service":
            yield name, spec["selector"]
        elif kind in {"Deployment", "StatefulSet", "PodDisruptionBudget"}:
            yield name, spec["selector"]["matchLabels"]
        elif kind == "NetworkPolicy":
            yield name, spec["podSelector"]["matchLabels"]
        elif kind in SELECTED_BY_LABELS and "selector" in spec:
            yield name, spec["selector"]["matchLabels"]
        elif kind in {"Sidecar", "EnvoyFilter"}:
            yield name, spec["workloadSelector"]["labels"]
        for spread in values_of("topologySpreadConstraints", spec):
            for constraint in spread:
                yield f"{name} spread", constraint["labelSelector"]["matchLabels"]


def test_every_scenario_is_there() -> None:
    assert {path.name.removesuffix("-values.yaml") for path in SCENARIOS} == WANTED


@every_scenario
def test_helm_finds_nothing_wrong(path: Path) -> None:
    done = run("lint", str(CHART), "--strict", "--values", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@every_scenario
def test_every_object_is_valid(path: Path) -> None:
    found = {identity(each): wrong(each) for each in rendered(path).objects}
    assert {name: what for name, what in found.items() if what} == {}


@every_scenario
def test_no_object_is_rendered_twice(path: Path) -> None:
    counted = Counter(identity(each) for each in rendered(path).objects)
    assert [name for name, count in counted.items() if count > 1] == []


class Unique(yaml.CSafeLoader):
    """Refuses a key that is given twice, of which YAML's readers take one or the other."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - as in the base class
        counted = Counter(key.value for key, _ in node.value)
        assert [key for key, count in counted.items() if count > 1] == [], node.start_mark
        return super().construct_mapping(node, deep)


@every_scenario
def test_no_key_is_given_twice(path: Path) -> None:
    values = {
        **scenario(path),
        "commonLabels": {"team": "language"},
        "commonAnnotations": {"owner": "language"},
    }
    text = render(values, apis=OPERATOR_APIS).text
    assert list(yaml.load_all(text, Loader=Unique)) != []


@every_scenario
def test_rendering_again_gives_the_same(path: Path) -> None:
    words = ["template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--values", str(path)]
    assert run(*words).stdout == run(*words).stdout != ""


@every_scenario
def test_installation_and_upgrade_render_the_same(path: Path) -> None:
    apis = (*OPERATOR_APIS, OWN_API)
    installed = render(scenario(path), apis=apis)
    upgraded = render(scenario(path), apis=apis, upgrade=True)
    assert installed.refusal == upgraded.refusal == ""
    assert installed.objects == upgraded.objects


@every_scenario
def test_a_cluster_that_knows_our_kind_gets_the_same_names(path: Path) -> None:
    first = {identity(each) for each in rendered(path).objects}
    then = {identity(each) for each in render(scenario(path), apis=(*OPERATOR_APIS, OWN_API)).objects}
    assert first == then


@every_scenario
def test_no_route_and_no_weight_is_rendered(path: Path) -> None:
    for each in rendered(path).objects:
        assert each["kind"] not in {"VirtualService", "HTTPRoute"}
        if each["kind"] not in {"ModelRollout", "CustomResourceDefinition"}:
            assert list(values_of("weight", each)) == []


@every_scenario
def test_the_policys_own_weights_are_steps(path: Path) -> None:
    for each in rendered(path).all("ModelRollout"):
        steps = each["spec"].get("policy", {}).get("steps", [])
        assert list(values_of("weight", each)) == [step["weight"] for step in steps]


@every_scenario
def test_every_selector_finds_a_pod(path: Path) -> None:
    objects = rendered(path).objects
    labels = [pod["metadata"]["labels"] for _, pod in pods(objects)]
    lost = [name for name, wanted in selectors(objects) if not any(matches(wanted, each) for each in labels)]
    assert lost == []


@every_scenario
def test_every_port_that_is_named_is_there(path: Path) -> None:
    objects = rendered(path).objects
    for each in objects:
        if each["kind"] == "Service":
            wanted = {port["targetPort"] for port in each["spec"]["ports"]}
            for name, pod in pods(objects):
                if matches(each["spec"]["selector"], pod["metadata"]["labels"]):
                    assert wanted <= port_names(pod), name
    for name, pod in pods(objects):
        probed = {probe["port"] for kind in ("httpGet", "tcpSocket") for probe in values_of(kind, pod)}
        assert probed <= port_names(pod), name


def port_names(pod: Document) -> set[str]:
    return {port["name"] for each in containers(pod) for port in each.get("ports", ())}


@every_scenario
def test_every_port_says_its_protocol(path: Path) -> None:
    for each in rendered(path).all("Service"):
        for port in each["spec"]["ports"]:
            assert port["name"].partition("-")[0] in {"http", "grpc", "tcp"}


@every_scenario
def test_every_service_account_and_role_exists(path: Path) -> None:
    objects = rendered(path).objects
    accounts = {each["metadata"]["name"] for each in objects if each["kind"] == "ServiceAccount"}
    roles = {identity(each) for each in objects if each["kind"] in {"Role", "ClusterRole"}}
    for name, pod in pods(objects):
        assert pod["spec"]["serviceAccountName"] in accounts, name
    for each in objects:
        if each["kind"].endswith("Binding"):
            assert {subject["name"] for subject in each["subjects"]} <= accounts
            reference = each["roleRef"]
            space = each["metadata"].get("namespace", "") if reference["kind"] == "Role" else ""
            assert (reference["kind"], space, reference["name"]) in roles


@every_scenario
def test_every_pod_has_an_account_of_its_own_and_a_token_only_with_rights(path: Path) -> None:
    objects = rendered(path).objects
    bound = {
        subject["name"]
        for each in objects
        if each["kind"].endswith("Binding")
        for subject in each["subjects"]
    }
    for name, pod in pods(objects):
        account = pod["spec"]["serviceAccountName"]
        assert account != "default", name
        assert pod["spec"]["automountServiceAccountToken"] is (account in bound), name


@every_scenario
def test_every_mount_has_a_volume_and_every_volume_a_source(path: Path) -> None:
    objects = rendered(path).objects
    maps = {each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"}
    for name, pod in pods(objects):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
        claimed = {
            claim["metadata"]["name"]
            for each in objects
            if each["kind"] == "StatefulSet"
            for claim in each["spec"].get("volumeClaimTemplates", ())
        }
        mounts = {mount["name"] for each in containers(pod) for mount in each.get("volumeMounts", ())}
        assert mounts <= {*volumes, *claimed}, name
        assert set(volumes) <= mounts, name
        assert {v["configMap"]["name"] for v in volumes.values() if "configMap" in v} <= maps, name


@every_scenario
def test_every_environment_variable_is_given_once(path: Path) -> None:
    for name, pod in pods(rendered(path).objects):
        for each in containers(pod):
            counted = Counter(variable["name"] for variable in each.get("env", ()))
            assert [variable for variable, count in counted.items() if count > 1] == [], name


@every_scenario
def test_every_autoscaler_has_its_deployment_whose_replicas_nobody_states(path: Path) -> None:
    found = rendered(path)
    for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
        for each in found.all(kind):
            target = found.one("Deployment", each["spec"]["scaleTargetRef"]["name"])
            assert "replicas" not in target["spec"]


@every_scenario
def test_every_pod_meets_the_restricted_standard(path: Path) -> None:
    for name, pod in pods(rendered(path).objects):
        spec = pod["spec"]
        assert not set(spec) & {"hostNetwork", "hostPID", "hostIPC"}, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", name
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "image"}
        assert {key for volume in spec.get("volumes", ()) for key in volume} - {"name"} <= allowed, name
        for each in containers(pod):
            context = each["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context.get("runAsUser", spec["securityContext"]["runAsUser"]) > 0, name
            assert not any("hostPort" in port for port in each.get("ports", ())), name


@every_scenario
def test_every_container_says_what_it_needs(path: Path) -> None:
    for name, pod in pods(rendered(path).objects):
        for each in containers(pod):
            assert {"cpu", "memory"} <= set(each["resources"]["requests"]), name
            assert "memory" in each["resources"]["limits"], name


@every_scenario
def test_every_object_is_labelled_as_ours(path: Path) -> None:
    for each in rendered(path).objects:
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "bertmesh", identity(each)


@every_scenario
def test_an_upgrade_of_the_chart_restarts_no_model(path: Path) -> None:
    for name, pod in pods(rendered(path).objects):
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(pod["metadata"]["labels"]) or (
            name.startswith("Pod ")
        ), name


def test_the_kind_is_the_generated_one_and_is_kept() -> None:
    [crd] = render().all("CustomResourceDefinition")
    file = CHART.parents[1] / "deploy" / "crd" / "modelrollouts.yaml"
    generated = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    kept = {"helm.sh/resource-policy": "keep"}
    assert crd == {**generated, "metadata": {**generated["metadata"], "annotations": kept}}


@pytest.mark.parametrize(("wanted", "count"), [("auto", 1), (True, 1), (False, 0)])
def test_without_permission_the_kind_is_left_out(wanted: str | bool, count: int) -> None:  # noqa: FBT001 - a row
    found = render({"crds": {"install": wanted}})
    assert (found.refusal, len(found.all("CustomResourceDefinition"))) == ("", count)

"""What the rendered objects amount to: that the programs take what they are given, and that times fit."""

import json
from pathlib import Path

import click
import pytest
import yaml

from bertmesh.commands.cli import cli
from bertmesh.commands.operator import operator
from modelstore.__main__ import fetch
from service.engine.recipes import CHOICES
from service.pod.settings import Settings
from tests.chart.harness import (
    OPERATOR_APIS,
    OWN_API,
    SCENARIOS,
    Document,
    Rendering,
    containers,
    pods,
    render,
    scenario,
)
from tests.support.pod_settings import keepalive_s, unknown

ROOT = Path(__file__).resolve().parents[2]
ENVOY_IDLE_S = 30
every_scenario = pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)


def model_pods(path: Path) -> list[tuple[str, Document]]:
    found = pods(render(scenario(path), apis=OPERATOR_APIS).objects)
    return [(name, pod) for name, pod in found if "version" in pod["metadata"]["labels"]]


def environment(container: Document) -> dict[str, str]:
    """Return a container's environment as its process sees it; what comes from elsewhere has some value."""
    given = {each["name"]: each.get("value", "redis://:secret@host:6379/0") for each in container["env"]}
    return {**given, "BERTMESH_POD": "bert-v1-0-abc"}


def single(rendering: Rendering, kind: str) -> Document:
    assert rendering.refusal == ""
    [found] = rendering.all(kind)
    return found


@every_scenario
def test_the_pod_takes_its_environment(path: Path) -> None:
    for _, pod in model_pods(path):
        env = environment(pod["spec"]["containers"][0])
        settings = Settings.from_env(env)
        assert settings.bind == "0.0.0.0:8000"
        assert settings.version == pod["metadata"]["labels"]["version"]
        assert (settings.redis_url is None) is ("no-prometheus-operator" in path.name)


@every_scenario
def test_the_pod_knows_every_variable_that_it_is_given(path: Path) -> None:
    for _, pod in model_pods(path):
        assert unknown(environment(pod["spec"]["containers"][0])) == set()


@every_scenario
def test_a_pod_has_time_to_end_before_it_is_killed(path: Path) -> None:
    for _, pod in model_pods(path):
        [container, *_] = pod["spec"]["containers"]
        before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        needed = before + Settings.from_env(environment(container)).grace_s
        assert needed < pod["spec"]["terminationGracePeriodSeconds"]
        notes = pod["metadata"]["annotations"]
        if "proxy.istio.io/config" in notes:
            config = yaml.safe_load(notes["proxy.istio.io/config"])
            assert int(config["terminationDrainDuration"].removesuffix("s")) >= needed


def test_requests_that_may_take_long_have_their_time_when_a_pod_ends() -> None:
    found = pods(render({"pod": {"deadlineSeconds": 90.5}}, apis=OPERATOR_APIS).objects)
    [pod, *_] = [pod for _, pod in found if "version" in pod["metadata"]["labels"]]
    grace_s = Settings.from_env(environment(pod["spec"]["containers"][0])).grace_s
    assert grace_s > 90.5
    assert pod["spec"]["terminationGracePeriodSeconds"] > grace_s


def test_the_proxy_and_never_the_pod_closes_an_idle_connection() -> None:
    [rule, *_] = render({"mesh": {"mode": "ambient"}}).all("DestinationRule")
    assert rule["spec"]["trafficPolicy"]["connectionPool"]["http"]["idleTimeout"] == f"{ENVOY_IDLE_S}s"
    assert keepalive_s() > ENVOY_IDLE_S


@every_scenario
def test_an_update_never_takes_a_pod_away_before_another_is_ready(path: Path) -> None:
    for each in render(scenario(path), apis=OPERATOR_APIS).all("Deployment"):
        if "version" in each["metadata"]["labels"]:
            assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@every_scenario
def test_each_probe_asks_its_own_endpoint(path: Path) -> None:
    for _, pod in model_pods(path):
        [container, *_] = pod["spec"]["containers"]
        asked = [
            container[kind]["httpGet"]["path"] for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        ]
        assert asked == ["/startupz", "/readyz", "/livez"]


@every_scenario
def test_the_operator_takes_its_arguments(path: Path) -> None:
    found = render(scenario(path), apis=OPERATOR_APIS).one("Deployment", "bert-controller")
    [container] = found["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "bertmesh", "operator"]
    operator.make_context("operator", [*container["args"]])


@every_scenario
def test_every_other_folder_is_read_only(path: Path) -> None:
    for _, pod in model_pods(path):
        for each in containers(pod):
            mounts = {mount["mountPath"]: mount for mount in each.get("volumeMounts", ())}
            assert "/tmp" in mounts  # noqa: S108 - a mount, no file
            for variable in ("HOME", "XDG_CACHE_HOME", "BERTMESH_CACHE_DIR"):
                folder = environment(each).get(variable, "/tmp")  # noqa: S108 - the same
                assert any(folder.startswith(mount) for mount in mounts), variable


def rules_of(documents: list[Document], kind: str) -> list[Document]:
    return [rule for each in documents if each["kind"] == kind for rule in each["rules"]]


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("namespaced.yaml", {"readSecrets": True, "namespaces": ["models"]}),
        ("cluster.yaml", {"readSecrets": True, "allNamespaces": True}),
    ],
)
def test_the_controller_has_the_rights_that_it_was_tried_with(file: str, values: dict[str, object]) -> None:
    text = (ROOT / "deploy" / "rbac" / file).read_text(encoding="utf-8")
    kind = "Role" if file.startswith("namespaced") else "ClusterRole"
    wanted = rules_of(list(yaml.safe_load_all(text)), kind)
    found = [
        each for each in render({"controller": values}).all(kind) if "lease" not in each["metadata"]["name"]
    ]
    mine = [each for each in found if each["metadata"]["name"].endswith("bert-controller")]
    assert rules_of(mine, kind) == wanted


def gateway_rules(api: str) -> list[Document]:
    """Return the rules for a gateway's namespace, with the Gateways of one API."""
    text = (ROOT / "deploy" / "rbac" / "gateways.yaml").read_text(encoding="utf-8")
    *others, gateways = rules_of(list(yaml.safe_load_all(text)), "Role")
    return [*others, {**gateways, "apiGroups": [api]}]


def test_the_controller_may_look_for_gateways_where_they_run_and_nowhere_else() -> None:
    found = render({"controller": {"gatewayNamespaces": ["istio-ingress"]}})
    readers = [each for each in found.all("Role") if each["metadata"]["name"].endswith("-gateways")]
    assert [each["metadata"]["namespace"] for each in readers] == ["istio-ingress"]
    assert readers[0]["rules"] == gateway_rules("networking.istio.io")
    assert "--gateway-namespace=istio-ingress" in str(found.one("Deployment", "bert-controller"))
    own = found.one("Role", "bert-controller")["rules"]
    assert not any("pods" in rule["resources"] for rule in own)


@pytest.mark.parametrize("mode", ["gatewayAPI", "ambient"])
def test_gateways_of_the_gateway_api_are_looked_for_in_their_own_namespace(mode: str) -> None:
    found = render({"mesh": {"mode": mode}})
    assert not [each for each in found.all("Role") if each["metadata"]["name"].endswith("-gateways")]
    assert found.one("Role", "bert-controller")["rules"][-3:] == gateway_rules("gateway.networking.k8s.io")


def test_the_controllers_sidecar_lets_calls_by_address_pass_where_the_pods_addresses_are_known() -> None:
    found = render({"controller": {"podRanges": ["10.244.0.0/16", "fd00::/64"]}})
    notes = found.one("Deployment", "bert-controller")["spec"]["template"]["metadata"]["annotations"]
    assert notes["traffic.sidecar.istio.io/excludeOutboundIPRanges"] == "10.244.0.0/16,fd00::/64"


@pytest.mark.parametrize("mode", ["sidecar", "gatewayAPI", "ambient"])
def test_for_its_own_rollout_it_has_only_the_rights_of_its_mode(mode: str) -> None:
    golden = {"gates": {"golden": {"configMap": "bert-golden"}}}
    for rollout in ({}, golden):
        rules = render({"mesh": {"mode": mode}, "rollout": rollout}).one("Role", "bert-controller")["rules"]
        by_kind = {kind: rule for rule in reversed(rules) for kind in rule["resources"]}
        routes = {"virtualservices", "destinationrules"} if mode == "sidecar" else {"httproutes"}
        assert by_kind.keys() & {"virtualservices", "destinationrules", "httproutes"} == routes
        assert ("patch" in by_kind["services"]["verbs"]) is (mode != "sidecar")
        assert by_kind["deployments/scale"]["resourceNames"] == ["bert-v1-0"]
        named = by_kind.get("configmaps", {}).get("resourceNames")
        assert named == (["bert-golden"] if rollout else None)
        assert "secrets" not in by_kind


def test_a_release_without_a_controller_says_farewell_too() -> None:
    assert "bert-farewell" in {
        each["metadata"]["name"] for each in render({"controller": {"enabled": False}}).all("Job")
    }


def test_the_controller_may_elect_a_leader() -> None:
    text = (ROOT / "deploy" / "rbac" / "lease.yaml").read_text(encoding="utf-8")
    wanted = rules_of(list(yaml.safe_load_all(text)), "Role")
    assert render().one("Role", "bert-controller-lease")["rules"] == wanted


def test_each_namespace_that_is_looked_after_gets_a_role() -> None:
    found = render({"controller": {"namespaces": ["models", "search"]}})
    roles = [
        each["metadata"]["namespace"]
        for each in found.all("Role")
        if each["metadata"]["name"] == "bert-controller"
    ]
    assert roles == ["models", "search"]
    [container] = found.one("Deployment", "bert-controller")["spec"]["template"]["spec"]["containers"]
    assert {"--namespace=models", "--namespace=search"} <= set(container["args"])


def test_secrets_may_be_read_only_where_a_message_needs_one() -> None:
    def secrets(values: dict[str, object]) -> list[Document]:
        rules = render(values).one("Role", "bert-controller")["rules"]
        return [rule for rule in rules if "secrets" in rule["resources"]]

    assert secrets({}) == []
    [rule] = secrets({"rollout": {"notify": [{"name": "chat", "secret": "chat-url"}]}})
    assert rule["resourceNames"] == ["chat-url"]


@pytest.mark.parametrize("kind", ["PodMonitor", "PrometheusRule"])
def test_absent_kinds_are_left_out_unless_asked_for(kind: str) -> None:
    key = {"PodMonitor": "podMonitor", "PrometheusRule": "rules"}[kind]
    assert render().all(kind) == []
    assert render(apis=OPERATOR_APIS).all(kind) != []
    assert render({"monitoring": {key: {"enabled": True}}}).all(kind) != []
    assert render({"monitoring": {key: {"enabled": False}}}, apis=OPERATOR_APIS).all(kind) == []


def test_the_policy_waits_for_its_kind_at_the_first_installation_and_belongs_to_the_release_after() -> None:
    first = single(render(), "ModelRollout")
    then = single(render(apis=[OWN_API]), "ModelRollout")
    notes = first["metadata"]["annotations"]
    assert notes["helm.sh/hook"] == "post-install,post-upgrade"
    # Deleting it before it is made again would send all traffic away from a canary.
    assert "before-hook-creation" not in notes["helm.sh/hook-delete-policy"]
    assert notes["meta.helm.sh/release-name"] == "bert"
    assert "annotations" not in then["metadata"]
    assert first["spec"] == then["spec"]


def test_the_controller_decides_over_replicas_unless_there_is_none() -> None:
    off = {"autoscaling": {"enabled": False}}
    ruled = render({"modelDefaults": off}).one("Deployment", "bert-v1-0")
    assert "replicas" not in ruled["spec"]
    free = {"modelDefaults": {**off, "replicas": 3}, "controller": {"enabled": False}}
    assert render(free).one("Deployment", "bert-v1-0")["spec"]["replicas"] == 3


def test_a_version_takes_the_defaults_and_says_what_differs() -> None:
    models = [
        {"version": "1.0", "source": {"baked": "zh-small:1.0"}},
        {"version": "1.1", "source": {"baked": "zh-small:1.1"}, "resources": {"limits": {"memory": "9Gi"}}},
    ]
    found = render({"models": models})
    first, second = (
        found.one("Deployment", name)["spec"]["template"]["spec"]["containers"][0]["resources"]
        for name in ("bert-v1-0", "bert-v1-1")
    )
    assert first["limits"] == {"memory": "2Gi"}
    assert second == {"limits": {"memory": "9Gi"}, "requests": first["requests"]}


def test_a_gpu_takes_the_image_for_it_and_its_limit() -> None:
    [_, (_, pod)] = model_pods(next(path for path in SCENARIOS if path.name.startswith("gpu")))
    [container] = pod["spec"]["containers"]
    assert container["image"].endswith("-cuda")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_a_gpu_is_there_where_the_model_is_converted_for_it() -> None:
    model = {
        "version": "1.0",
        "source": {"baked": "zh-small:1.0"},
        "engine": "cuda-fp16",
        "convert": True,
        "gpu": {"count": 1},
    }
    spec = render({"models": [model]}).one("Deployment", "bert-v1-0")["spec"]["template"]["spec"]
    [convert], [container] = spec["initContainers"], spec["containers"]
    assert "--recipe=cuda-fp16" in convert["args"]
    assert convert["image"] == container["image"]
    assert convert["resources"] == container["resources"]
    assert convert["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_the_chart_offers_every_engine() -> None:
    schema = json.loads((ROOT / "helm" / "bertmesh" / "values.schema.json").read_text(encoding="utf-8"))
    assert schema["properties"]["modelDefaults"]["properties"]["engine"]["enum"] == list(CHOICES)


def test_the_mirror_serves_every_image() -> None:
    path = next(path for path in SCENARIOS if path.name.startswith("air"))
    for name, pod in pods(render(scenario(path)).objects):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror"}], name
        assert {each["image"].partition("/")[0] for each in containers(pod)} == {"mirror.internal:5000"}, name


def test_a_password_is_made_once_and_no_secret_is_rendered() -> None:
    assert render().all("Secret") == []
    job = render().one("Job", "bert-secret")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    mine = {"redis": {"auth": {"existingSecret": "mine"}}}
    assert [each["metadata"]["name"] for each in render(mine).all("Job")] == ["bert-farewell", "bert-ready"]


def test_further_objects_are_rendered_from_text_and_from_mappings() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}-text'}"
    mapping = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-map"}}
    names = [each["metadata"]["name"] for each in render({"extraObjects": [text, mapping]}).all("ConfigMap")]
    assert {"bert-text", "bert-map"} <= set(names)


def test_two_releases_in_one_namespace_share_no_name_but_the_kind() -> None:
    one, other = (
        {(each["kind"], each["metadata"]["name"]) for each in render(release=name).objects}
        for name in ("bert", "ernie")
    )
    assert {kind for kind, _ in one & other} == {"CustomResourceDefinition"}


def test_the_mesh_is_told_which_canonical_service_a_pod_is() -> None:
    _, pod = model_pods(SCENARIOS[0])[0]
    labels = pod["metadata"]["labels"]
    assert labels["service.istio.io/canonical-name"] == labels["app"] == "bert"
    assert labels["service.istio.io/canonical-revision"] == labels["version"]


@pytest.mark.parametrize("name", ["bert-console", "bert-controller"])
@every_scenario
def test_the_command_line_takes_what_it_is_given(path: Path, name: str) -> None:
    for each in render(scenario(path), apis=OPERATOR_APIS).all("Deployment"):
        if each["metadata"]["name"] == name:
            [container] = each["spec"]["template"]["spec"]["containers"]
            assert container["command"][:3] == ["python", "-m", "bertmesh"]
            words = [*container["command"][3:], *container["args"]]
            command = cli.get_command(click.Context(cli), words[0])
            assert command is not None
            command.make_context(words[0], words[1:])


def test_the_init_container_takes_what_it_is_given() -> None:
    path = next(path for path in SCENARIOS if path.name.startswith("air"))
    fetching = [each for _, pod in model_pods(path) for each in pod["spec"].get("initContainers", ())]
    assert len(fetching) == 2
    for each in fetching:
        assert each["command"] == ["python", "-m", "modelstore", "fetch"]
        fetch.make_context("fetch", [*each["args"]])


def test_a_model_is_converted_where_it_will_be_served() -> None:
    path = next(path for path in SCENARIOS if path.name.startswith("production"))
    for _, pod in model_pods(path):
        [convert] = pod["spec"]["initContainers"]
        serving = environment(pod["spec"]["containers"][0])
        given = {each["name"]: each["value"] for each in convert["env"]}
        assert convert["args"] == [serving["BERTMESH_MODEL"], "--recipe=int8-75", "--threads=2"]
        assert {
            name: serving[name] for name in ("BERTMESH_MODELS_DIR", "BERTMESH_CACHE_DIR")
        }.items() <= given.items()


def test_the_console_has_the_rights_that_it_was_tried_with() -> None:
    text = (ROOT / "deploy" / "rbac" / "console.yaml").read_text(encoding="utf-8")
    wanted = rules_of(list(yaml.safe_load_all(text)), "Role")
    found = render().one("Role", "bert-console")["rules"]
    assert [rule for rule in found if rule["resources"] != ["leases"]] == wanted
    [watching] = render({"console": {"commands": False}}).one("Role", "bert-console")["rules"][:1]
    assert "patch" not in watching["verbs"]


@pytest.mark.parametrize("file", ["deploy/kind/values.yaml", "deploy/gitops/flux/release.yaml"])
def test_the_values_of_the_recipes_are_taken(file: str) -> None:
    documents = yaml.safe_load_all((ROOT / file).read_text(encoding="utf-8"))
    found = [each.get("spec", {}).get("values") or each for each in documents if each]
    values = next(each for each in found if "models" in each)
    assert render(values).refusal == ""

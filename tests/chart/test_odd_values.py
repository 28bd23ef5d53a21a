"""Values that nobody expects: nothing at all, empty, very large; each is rendered, or refused in words."""

import copy
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from chart.values import Field, read
from service.pod.settings import Settings
from tests.chart.harness import (
    CHART,
    OPERATOR_APIS,
    OWN_API,
    SCENARIOS,
    Rendering,
    containers,
    pods,
    render,
    scenario,
)
from tests.chart.schemas import wrong

Path = tuple[str, ...]
TEXT = (CHART / "values.yaml").read_text(encoding="utf-8")
DEFAULTS = yaml.safe_load(TEXT)
PRODUCTION = scenario(next(path for path in SCENARIOS if path.name.startswith("production")))
LARGE = 3_000_000
BROKEN = re.compile(r"nil pointer|error calling|wrong type|can't evaluate|out of range|YAML parse|unmarshal")
"""What Helm says where a template met what it was not written for."""


def flat(fields: Sequence[Field]) -> Iterator[Field]:
    for each in fields:
        yield each
        yield from flat(each.fields)


FIELDS = tuple(flat(read(TEXT)))
NULLABLE = [each.path for each in FIELDS if "null" in each.hints.get("type", ())]
EMPTIABLE = [(each.path, type(each.default)()) for each in FIELDS if isinstance(each.default, list | dict)]
KEPT = {
    ("models",),
    ("podSecurityContext",),
    ("containerSecurityContext",),
    ("mesh",),
    ("mesh", "gateway", "namespaces"),
}
"""What must say something: a mode, a version, a gateway, and what the restricted standard asks for."""
OF_MODEL = [each.path[1:] for each in FIELDS if each.path[0] == "modelDefaults" and len(each.path) > 1]


def name(path: object) -> str:
    return ".".join(path) if isinstance(path, tuple) else "empty"


def changed(values: Mapping[str, Any], path: Path, value: object) -> dict[str, Any]:
    """Return the values with another one at a place."""
    whole = copy.deepcopy(dict(values))
    inner = whole
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = value
    return whole


def without(values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the values without a key, as Helm makes them where null was given."""
    whole: dict[str, Any] = copy.deepcopy(dict(values))
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return whole


@cache
def schema() -> Draft7Validator:
    return Draft7Validator(json.loads((CHART / "values.schema.json").read_text(encoding="utf-8")))


def check(found: Rendering) -> None:
    """Assert that the values were rendered to good objects, or refused in words."""
    assert not BROKEN.search(found.refusal), found.refusal
    assert {each["metadata"]["name"]: what for each in found.objects if (what := wrong(each))} == {}


@pytest.mark.parametrize("path", [each.path for each in FIELDS if each.path not in NULLABLE], ids=name)
def test_null_is_refused_by_the_name_of_its_key(path: Path) -> None:
    said = [error.message for error in schema().iter_errors(without(DEFAULTS, path))]
    assert said == [f"'{path[-1]}' is a required property"]


@pytest.mark.parametrize("path", NULLABLE, ids=name)
def test_null_is_rendered_where_it_means_something(path: Path) -> None:
    found = render(changed({}, path, None))
    assert found.refusal == ""
    check(found)


def test_helm_says_it_in_the_same_words() -> None:
    refusal = render({"mesh": {"gateway": {"create": None}}, "image": None}).refusal
    assert "missing property 'image'" in refusal
    assert "at '/mesh/gateway': missing property 'create'" in refusal


@pytest.mark.parametrize(("path", "empty"), EMPTIABLE, ids=name)
def test_what_is_empty_is_rendered_or_refused_in_words(path: Path, empty: object) -> None:
    check(render(changed(PRODUCTION, path, empty), apis=OPERATOR_APIS))


@pytest.mark.parametrize("mode", ["sidecar", "gatewayAPI", "ambient"])
def test_all_that_may_be_empty_at_once(mode: str) -> None:
    values: dict[str, Any] = {"mesh": {"mode": mode}}
    for path, empty in EMPTIABLE:
        if path not in KEPT:
            values = changed(values, path, empty)
    values["mesh"]["mode"] = mode
    found = render(values, apis=OPERATOR_APIS)
    assert found.refusal == ""
    check(found)


@pytest.mark.parametrize("path", OF_MODEL, ids=name)
def test_a_version_with_null_is_rendered_or_refused_in_words(path: Path) -> None:
    version = changed({"version": "1.0", "source": {"baked": "zh-small:1.0"}}, path, None)
    check(render({"models": [version]}))


def test_whole_numbers_stay_whole_however_large() -> None:
    values: dict[str, Any] = {}
    for each in FIELDS:
        kinds = each.hints.get("type", "integer" if type(each.default) is int else "")
        if "integer" in kinds:
            values = changed(values, each.path, min(LARGE, each.hints.get("maximum", LARGE)))
    values = changed(values, ("controller", "enabled"), True)  # noqa: FBT003 - a value
    values = changed(values, ("mesh", "rateLimit", "enabled"), True)  # noqa: FBT003 - the same
    values["modelDefaults"].pop("replicas")
    values["podSecurityContext"] = dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"), 1_000_660_000)
    found = render(values, apis=OPERATOR_APIS)
    assert found.refusal == ""
    assert re.findall(r".*\de\+\d.*", found.text) == []
    check(found)


BOUNDED = {
    ("pod", "deadlineSeconds"): "BERTMESH_DEADLINE_S",
    ("pod", "queueTokens"): "BERTMESH_QUEUE_TOKENS",
    ("pod", "batchTokens"): "BERTMESH_BATCH_TOKENS",
    ("pod", "cacheTtlSeconds"): "BERTMESH_CACHE_TTL_S",
    ("pod", "cacheLocalBytes"): "BERTMESH_CACHE_LOCAL_BYTES",
    ("pod", "redisTimeoutMilliseconds"): "BERTMESH_REDIS_TIMEOUT_MS",
    ("modelDefaults", "threads"): "BERTMESH_THREADS",
    ("modelDefaults", "drain", "seconds"): "BERTMESH_DRAIN_S",
}


@pytest.mark.parametrize("path", BOUNDED, ids=name)
@pytest.mark.parametrize("bound", ["minimum", "maximum"])
def test_the_pod_takes_what_the_schema_takes(path: Path, bound: str) -> None:
    hints = next(each.hints for each in FIELDS if each.path == path)
    found = render(changed({}, path, hints[bound]))
    assert found.refusal == ""
    [container] = found.one("Deployment", "bert-v1-0")["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    assert float(given[BOUNDED[path]]) == hints[bound]
    Settings.from_env({**given, "BERTMESH_REDIS_URL": "redis://host:6379/0"})


def test_every_pod_can_be_sent_to_the_nodes_that_are_meant() -> None:
    place = {"nodeSelector": {"pool": "models"}, "tolerations": [{"operator": "Exists"}]}
    sections = ("modelDefaults", "controller", "console", "redis", "training", "jobs")
    values: dict[str, Any] = {each: dict(place) for each in sections}
    values["training"]["enabled"] = True
    values["global"] = {"imagePullSecrets": ["registry"]}
    for owner, pod in pods(render(values).objects):
        assert pod["spec"]["nodeSelector"] == place["nodeSelector"], owner
        assert pod["spec"]["tolerations"] == place["tolerations"], owner
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}], owner


def test_every_program_listens_where_it_is_told() -> None:
    found = render({"service": {"bind": "::", "grpc": True}})
    told = [
        word
        for _, pod in pods(found.objects)
        for each in containers(pod)
        for word in (*each.get("args", ()), *(one.get("value", "") for one in each.get("env", ())))
    ]
    assert [word for word in told if "0.0.0.0" in word] == []  # noqa: S104 - looked for, not bound
    assert {"[::]:8000", "[::]:8001", "[::]:8002", "[::]:9000"} <= set(told)
    assert {"--bind=::", "--metrics-bind=::"} <= set(told)


def test_a_cluster_may_choose_the_user_of_the_init_container() -> None:
    model = {"version": "1.0", "source": {"uri": "hf://a/b", "sha256": "0" * 64}}
    spec = render({"models": [model], "fetch": {"runAsUser": None}}).one("Deployment", "bert-v1-0")["spec"]
    [fetch] = spec["template"]["spec"]["initContainers"]
    assert "runAsUser" not in fetch["securityContext"]
    assert fetch["securityContext"]["runAsNonRoot"] is True


def test_metrics_are_offered_once_where_a_monitor_asks_the_programs_themselves() -> None:
    def notes(mode: str, *, monitor: bool) -> set[bool]:
        found = render({"mesh": {"mode": mode}, "monitoring": {"podMonitor": {"enabled": monitor}}})
        wanted = [
            pod["metadata"] for owner, pod in pods(found.objects) if "v1-0" in owner or "controller" in owner
        ]
        return {"prometheus.io/scrape" in each.get("annotations", {}) for each in wanted}

    # The sidecar reads them: it offers its own metrics and the program's together.
    assert notes("sidecar", monitor=True) == notes("sidecar", monitor=False) == {True}
    assert (notes("ambient", monitor=True), notes("ambient", monitor=False)) == ({False}, {True})


@pytest.mark.parametrize("mode", ["sidecar", "gatewayAPI", "ambient"])
def test_a_cluster_may_have_a_domain_of_its_own(mode: str) -> None:
    values = {"mesh": {"mode": mode, "clusterDomain": "k8s.example", "trustDomain": "mesh.example"}}
    assert re.findall(r".*cluster\.local.*", render(values, apis=[OWN_API]).text) == []

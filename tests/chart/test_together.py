"""The chart's objects and the programs that read them: the operator, the doctor."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from bertmesh.commands.cli import cli
from bertmesh.local.ports import free_port
from canary.cluster.deployments import DEPLOYMENTS, SCALERS, Deployments, Listing
from canary.cluster.golden_set import finder
from canary.operator.case import read
from canary.resource.convert import mesh_policy_of, routing_of
from mesh.cluster.api import ClusterApi
from mesh.cluster.router import ClusterRouter
from mesh.model import Split, Weights
from tests.chart.harness import (
    CHART,
    NAMESPACE,
    OPERATOR_APIS,
    OWN_API,
    SCENARIOS,
    Rendering,
    render,
    run,
    scenario,
)
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import mesh_api
from tests.support.kubeapi.samples import untyped
from tests.support.processes import answers, running

every_scenario = pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name)
TWO = {
    "models": [
        {"version": "1.0", "source": {"baked": "zh-small:1.0"}},
        {"version": "1.1-reviews", "source": {"baked": "zh-small:1.1-reviews"}},
    ],
    "rollout": {"canary": "1.1-reviews"},
}
TOKEN = "controller"  # noqa: S105 - a test's own


@pytest.fixture
def api() -> Iterator[KubeApi]:
    """An API server that knows what the routers write."""
    with mesh_api(namespaces=[NAMESPACE]) as api:
        yield api


def installed(api: KubeApi, mode: str) -> Rendering:
    """Put on the server what the controller works with, and give it the chart's rights."""
    found = render({**TWO, "mesh": {"mode": mode}})
    for each in found.objects:
        if each["kind"] in {"Deployment", "Service"} and each["metadata"]["labels"].get("app") == "bert":
            api.create(each, manager="helm")
    api.grant(TOKEN, [role for role in found.all("Role") if "controller" in role["metadata"]["name"]])
    return found


@every_scenario
def test_the_operator_takes_up_the_policy(path: Path) -> None:
    for each in render(scenario(path), apis=OPERATOR_APIS).all("ModelRollout"):
        assert read(each).problem is None


@every_scenario
def test_the_doctor_finds_nothing(path: Path) -> None:
    text = render(scenario(path), apis=OPERATOR_APIS).text
    done = CliRunner().invoke(cli, ["doctor", "-", "--strict", "-n", NAMESPACE], input=text)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("mode", ["sidecar", "gatewayAPI", "ambient"])
def test_the_controller_may_write_the_route_and_takes_nothing_from_the_chart(api: KubeApi, mode: str) -> None:
    found = installed(api, mode)
    spec = read(found.one("ModelRollout", "bert")).spec
    client = ClusterApi(api.client(TOKEN))
    versions, policy, routing = ["1.0", "1.1-reviews"], mesh_policy_of(spec), routing_of(spec)
    router = ClusterRouter(client, "bert", NAMESPACE, lambda: versions, policy, routing, holder="bert")
    split = Split("1.0", "1.1-reviews", Weights(20))
    router.apply(split)
    assert router.split() == split
    route = api.get("VirtualService" if mode == "sidecar" else "HTTPRoute", "bert", NAMESPACE)
    hosts = route["spec"]["hosts"] if mode == "sidecar" else route["spec"]["hostnames"]
    inside = {
        "sidecar": "bert.models.svc.cluster.local",
        "gatewayAPI": "bert-istio.models.svc.cluster.local",
        "ambient": "bert-istio.models.svc.cluster.local",
    }
    assert hosts == ["bert.models.localhost", inside[mode]]
    if mode == "sidecar":
        assert route["spec"]["gateways"] == ["bert", "mesh"]
    else:
        parents = [(each["kind"], each["name"]) for each in route["spec"]["parentRefs"]]
        assert parents == [("Gateway", "bert"), ("Service", "bert")]


@every_scenario
def test_a_golden_set_in_the_chart_is_one(api: KubeApi, path: Path) -> None:
    found = render(scenario(path), apis=OPERATOR_APIS)
    for each in found.all("ModelRollout"):
        golden = read(each).spec.gates.golden
        if golden is not None:
            api.create(found.one("ConfigMap", golden.config_map))
            client = ClusterApi(api.client())
            assert len(finder(client, NAMESPACE, golden)(untyped(None))) > 0


def test_the_route_answers_to_the_name_by_which_golden_sets_are_asked() -> None:
    path = next(path for path in SCENARIOS if path.name.startswith("gateway-api"))
    found = render(scenario(path))
    [container] = found.one("Deployment", "bert-controller")["spec"]["template"]["spec"]["containers"]
    [url] = [each.removeprefix("--gateway=") for each in container["args"] if each.startswith("--gateway=")]
    assert urlsplit(url).hostname in found.one("ModelRollout", "bert")["spec"]["routing"]["hosts"]


def test_the_controller_may_find_and_scale_the_versions(api: KubeApi) -> None:
    installed(api, "sidecar")
    client = ClusterApi(api.client(TOKEN))
    listings = [
        Listing(client, path.format(NAMESPACE), 0.0, time.monotonic) for path in (DEPLOYMENTS, SCALERS)
    ]
    versions = Deployments(client, NAMESPACE, "bert", *listings)
    assert versions.versions() == ["1.0", "1.1-reviews"]
    versions.scale("1.1-reviews", 3)
    assert api.get("Deployment", "bert-v1-1-reviews", NAMESPACE)["spec"]["replicas"] == 3


def refusal(api: KubeApi, folder: Path, **status: str) -> str:
    """Return why the chart refuses an upgrade to 1.0 alone while a rollout has this status."""
    api.create(render(apis=[OWN_API]).one("ModelRollout", "bert"))
    api.edit_status("ModelRollout", "bert", status, namespace=NAMESPACE)
    kubeconfig = api.kubeconfig(folder / "kubeconfig", namespace=NAMESPACE)
    words = ["template", "bert", str(CHART), "--namespace", NAMESPACE, "--dry-run=server"]
    done = run(*words, "--kubeconfig", str(kubeconfig))
    # The server does not know all kinds; whatever Helm says of them comes after the chart was rendered.
    return done.stderr if "execution error" in done.stderr else ""


@pytest.mark.parametrize("phase", ["Warming", "Progressing", "Paused", "Baking", "RollingBack"])
def test_a_version_that_takes_traffic_cannot_be_removed(api: KubeApi, tmp_path: Path, phase: str) -> None:
    said = refusal(api, tmp_path, stable="1.0", canary="1.1", phase=phase)
    assert "version 1.1 takes traffic as the canary and is not in models (1.0)" in said


@pytest.mark.parametrize("phase", ["RolledBack", "Failed"])
def test_a_version_that_was_rejected_can(api: KubeApi, tmp_path: Path, phase: str) -> None:
    assert refusal(api, tmp_path, stable="1.0", canary="1.1", phase=phase) == ""


def test_a_version_that_was_promoted_cannot(api: KubeApi, tmp_path: Path) -> None:
    said = refusal(api, tmp_path, stable="1.1", canary="1.1", phase="Promoted")
    assert "version 1.1 takes traffic as the stable" in said


@pytest.mark.slow
def test_the_pods_own_command_serves_and_helm_test_is_green(tmp_path: Path) -> None:
    [container] = render().one("Deployment", "bert-v1-0")["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    port, admin = free_port(), free_port()
    here = {
        "BERTMESH_BIND": f"127.0.0.1:{port}",
        "BERTMESH_ADMIN_BIND": f"127.0.0.1:{admin}",
        "BERTMESH_MODELS_DIR": str(CHART.parents[1] / "models"),
        "BERTMESH_CACHE_DIR": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
    }
    words = [sys.executable, *container["command"][1:], *container["args"]]
    url = f"http://127.0.0.1:{port}"
    path = container["startupProbe"]["httpGet"]["path"]
    with running("pod", words, folder=tmp_path, ready=answers(url + path), environment={**given, **here}):
        told = {"BERTMESH_URL": url, "BERTMESH_VERSIONS": "1.0", "BERTMESH_REQUESTS": "20"}
        script = str(CHART / "files" / "check.py")
        done = subprocess.run(
            [sys.executable, script],
            check=False,
            env={**os.environ, **told},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "versions {'1.0': 20}" in done.stdout

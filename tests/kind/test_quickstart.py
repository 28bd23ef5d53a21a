"""The quickstart on kind: no cluster is made here, so the tools are stand-ins that keep state."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import pytest
import yaml

from doctor.examine.run import examine
from doctor.model import Inventory, Severity
from doctor.sources.files import objects
from tests.chart.harness import OWN_API, render

ROOT = Path(__file__).resolve().parents[2]
KIND = ROOT / "deploy" / "kind"
SCRIPT = KIND / "kind.sh"
PLAIN = ("bash", "sed", "head", "sort", "cat", "dirname", "grep", "seq", "sleep", "env", "kill")
TOOLS = {
    "docker": "exit 0",
    "curl": "cat > /dev/null; sleep 0.2",
    "kind": """case "$1 ${2:-}" in
  "version ") echo "kind v0.33.0 go1.26.0 linux/amd64" ;;
  "get clusters") cat "$STATE/clusters" 2>/dev/null || echo "No kind clusters found." >&2 ;;
  "create cluster") echo "$4" >> "$STATE/clusters" ;;
  "delete cluster") rm "$STATE/clusters" ;;
esac""",
    "kubectl": """case "$*" in
  "version --client") printf 'Client Version: v1.35.2\\nKustomize Version: v5.7.1\\n' ;;
  *.metadata.generation*) echo -n 2 ;;
  *.status.observedGeneration*) if [ -e "$STATE/wanted" ]; then echo -n 2; else echo -n 1; fi ;;
  *.status.phase*) head -n 1 "$STATE/phases"; sed -i 1d "$STATE/phases" ;;
  *.status.weight*) echo -n 20 ;;
  *create*) echo "kind: Namespace" ;;
  *apply*) cat > /dev/null ;;
esac""",
    "helm": """case "$*" in
  "version --short") echo "v4.2.3+g1234567" ;;
  *rollout.canary*) touch "$STATE/wanted" ;;
esac""",
    "istioctl": 'if [ "$1" = version ]; then echo "client version: 1.30.3"; fi',
}


class Machine:
    """A PATH with the tools, and what they were told."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.state = folder / "bin", folder / "state"
        self.bin.mkdir()
        self.state.mkdir()
        for name in (*PLAIN, "rm", "touch"):
            found = next(Path(place, name) for place in ("/usr/bin", "/bin") if Path(place, name).exists())
            (self.bin / name).symlink_to(found)
        for name, script in TOOLS.items():
            self.add(name, script)

    def add(self, name: str, script: str) -> None:
        log = f'echo "{name} $*" >> "$STATE/log"'
        (self.bin / name).write_text(f"#!/usr/bin/env bash\n{log}\n{script}\n")
        (self.bin / name).chmod(0o755)

    def remove(self, name: str) -> None:
        (self.bin / name).unlink()

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPT), *words],
            env={"PATH": str(self.bin), "STATE": str(self.state), "TICK_S": "0.05", **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def told(self, *words: str) -> list[str]:
        path = self.state / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if all(word in line for word in words)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_all_tools_that_are_there_are_enough(machine: Machine) -> None:
    done = machine.run("check")
    assert (done.returncode, done.stdout) == (0, "all tools are here\n")


@pytest.mark.parametrize("tool", ["docker", "kind", "kubectl", "helm", "istioctl", "curl"])
def test_a_missing_tool_is_named_with_a_way_to_get_it(machine: Machine, tool: str) -> None:
    machine.remove(tool)
    done = machine.run("up")
    assert done.returncode == 2
    assert f"missing: {tool}" in done.stderr
    assert "nothing was changed" in done.stderr
    assert not machine.told("create cluster")


def test_everything_that_is_missing_is_told_at_once(machine: Machine) -> None:
    for tool in ("kind", "helm", "istioctl"):
        machine.remove(tool)
    done = machine.run("up")
    assert done.returncode == 2
    assert "3 thing(s) missing" in done.stderr


@pytest.mark.parametrize(
    ("tool", "script", "says"),
    [
        ("kind", "echo kind v0.20.0 go1.20", "kind 0.30 or newer (this is 0.20.0)"),
        ("kubectl", "echo Client Version: v1.9.7", "kubectl 1.34 or newer (this is 1.9.7)"),
        ("helm", "echo v3.9.0+g1", "helm 3.18 or newer (this is 3.9.0)"),
        ("helm", "exit 1", "helm 3.18 or newer (this is of an unknown version)"),
        ("istioctl", "echo client version: 1.29.9", "istioctl 1.30.3 or newer (this is 1.29.9)"),
        ("istioctl", "echo client version: 1.31.0", "istioctl 1.30 (this is 1.31.0)"),
        ("docker", "exit 1", "a running docker daemon"),
        ("docker", '[ "$1" = info ]', "the image bertmesh:0.1.0"),
    ],
)
def test_a_tool_of_the_wrong_version_is_named(machine: Machine, tool: str, script: str, says: str) -> None:
    machine.add(tool, script)
    done = machine.run("up")
    assert done.returncode == 2
    assert f"missing: {says}" in done.stderr


def test_up_makes_a_cluster_once_and_brings_the_rest_up_to_date_each_time(machine: Machine) -> None:
    for _ in range(2):
        done = machine.run("up")
        assert done.returncode == 0, done.stderr
    assert len(machine.told("kind create cluster")) == 1
    assert len(machine.told("helm upgrade --install bert", "--kube-context kind-bertmesh")) == 2
    assert "the cluster bertmesh is there" in done.stdout
    order = [
        machine.told(*each)[0] for each in (("kind", "load"), ("istioctl", "install"), ("helm", "upgrade"))
    ]
    lines = machine.told()
    assert [lines.index(each) for each in order] == sorted(lines.index(each) for each in order)


def test_down_removes_the_cluster_and_has_nothing_to_do_the_second_time(machine: Machine) -> None:
    machine.run("up")
    assert machine.run("down").returncode == 0
    again = machine.run("down")
    assert (again.returncode, again.stdout) == (0, "there is no cluster bertmesh: nothing to do\n")
    assert len(machine.told("kind delete cluster")) == 1


def test_a_demo_without_a_cluster_says_what_comes_first(machine: Machine) -> None:
    done = machine.run("demo")
    assert done.returncode == 2
    assert "make kind-up first" in done.stderr


def test_a_demo_names_the_canary_under_traffic_and_follows_it_to_its_end(machine: Machine) -> None:
    machine.run("up")
    (machine.state / "phases").write_text("Warming\nProgressing\nProgressing\nPromoted\n")
    done = machine.run("demo")
    assert done.returncode == 0, done.stderr
    assert "Progressing, canary at 20 %" in done.stdout
    assert "promoted" in done.stdout
    assert machine.told("helm upgrade", "rollout.canary=1.1-reviews")
    assert machine.told("curl --config -")


def test_a_demo_whose_canary_is_taken_back_fails(machine: Machine) -> None:
    machine.run("up")
    (machine.state / "phases").write_text("Progressing\nRolledBack\n")
    done = machine.run("demo")
    assert done.returncode == 1
    assert "taken back" in done.stderr


def test_a_demo_that_comes_to_no_end_ends(machine: Machine) -> None:
    machine.run("up")
    (machine.state / "phases").write_text("Progressing\n" * 400)
    done = machine.run("demo", PATIENCE_S="1")
    assert done.returncode == 1
    assert "no end after 1 s" in done.stderr


def test_the_traffic_asks_something_else_each_time() -> None:
    text = SCRIPT.read_text("utf-8")
    function = text[text.index("requests() {") : text.index("traffic() {")]
    program = f"URL=http://127.0.0.1:8080 HOST=bert.localhost\n{function}\nrequests"
    told = subprocess.run(["/bin/bash", "-c", program], capture_output=True, text=True, check=True).stdout
    bodies = [line for line in told.splitlines() if line.startswith("data = ")]
    assert len(bodies) == 200
    assert len(set(bodies)) > 195
    assert "[MASK]" in bodies[0]


def test_an_unknown_word_gets_the_usage(machine: Machine) -> None:
    done = machine.run("start")
    assert done.returncode == 2
    assert "check | up | demo | down" in done.stderr


def test_shellcheck_has_nothing_to_say() -> None:
    words = [str(Path(sys.executable).with_name("shellcheck")), "-x", str(SCRIPT), str(KIND / "versions.sh")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def documents(name: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all((KIND / name).read_text("utf-8")) if each]


@pytest.mark.parametrize(
    "document", documents("observability.yaml"), ids=lambda each: each["metadata"]["name"]
)
def test_what_is_applied_is_what_kubernetes_takes(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, "1.35", strict=True)


def test_the_doctor_finds_nothing_in_the_quickstart() -> None:
    rendered = render(yaml.safe_load((KIND / "values.yaml").read_text("utf-8")), apis=[OWN_API])
    assert not rendered.refusal
    parts = [rendered.text, (KIND / "observability.yaml").read_text("utf-8"), istio_config(), namespace()]
    found = tuple(each for part in parts for each in objects(part, "quickstart", "models"))
    assert [each for each in examine(Inventory(found)) if each.severity is not Severity.INFO] == []


def istio_config() -> str:
    """Return the mesh configuration as istioctl would leave it."""
    [told] = documents("istio.yaml")
    mesh = yaml.safe_dump(told["spec"]["meshConfig"])
    metadata = {"name": "istio", "namespace": "istio-system"}
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": mesh}}
    )


def namespace() -> str:
    labels = {"istio-injection": "enabled"}
    return yaml.safe_dump(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "models", "labels": labels}}
    )


def test_the_parts_agree_on_their_names() -> None:
    values = yaml.safe_load((KIND / "values.yaml").read_text("utf-8"))
    services = {
        f"{each['metadata']['name']}.{each['metadata']['namespace']}": {
            port["port"] for port in each["spec"]["ports"]
        }
        for each in documents("observability.yaml")
        if each["kind"] == "Service"
    }
    for url in (values["monitoring"]["prometheusUrl"], values["tracing"]["otlpEndpoint"]):
        name, _, port = url.removeprefix("http://").partition(":")
        assert int(port) in services[name]
    [istio] = documents("istio.yaml")
    [provider] = istio["spec"]["meshConfig"]["extensionProviders"]
    assert provider["name"] == values["mesh"]["telemetry"]["tracingProvider"]
    target = provider["opentelemetry"]
    assert target["port"] in services[target["service"].removesuffix(".svc.cluster.local")]
    [cluster] = documents("cluster.yaml")
    [mapping] = cluster["nodes"][0]["extraPortMappings"]
    ports = istio["spec"]["components"]["ingressGateways"][0]["k8s"]["service"]["ports"]
    assert mapping["containerPort"] in {each.get("nodePort") for each in ports}

"""Renders the chart with the real Helm; what was rendered once is remembered for the process."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.helm import helm

CHART = Path(__file__).resolve().parents[2] / "helm" / "bertmesh"
SCENARIOS = sorted(CHART.glob("ci/*-values.yaml"))
RELEASE, NAMESPACE = "bert", "models"
OPERATOR_APIS = (
    "monitoring.coreos.com/v1",
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "monitoring.coreos.com/v1/ServiceMonitor",
)
OWN_API = "bertmesh.dev/v1alpha1"
TIMEOUT_S = 60

Document = dict[str, Any]


@dataclass(frozen=True)
class Rendering:
    """What Helm made: the objects, or the reason why there are none."""

    objects: tuple[Document, ...] = ()
    refusal: str = ""
    text: str = field(default="", repr=False)

    def one(self, kind: str, name: str) -> Document:
        """Return the only object of this kind and name."""
        [found] = [each for each in self.all(kind) if each["metadata"]["name"] == name]
        return found

    def all(self, kind: str) -> list[Document]:
        """Return all objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]


def scenario(path: Path) -> Mapping[str, Any]:
    """Return the values of a scenario."""
    values: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return values


def render(
    values: Mapping[str, Any] | None = None,
    *,
    apis: Sequence[str] = (),
    upgrade: bool = False,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
) -> Rendering:
    """Return what the chart renders with ``values`` on a cluster that also has ``apis``."""
    return _rendered(json.dumps(values or {}, sort_keys=True), tuple(apis), upgrade, release, namespace)


@cache
def _rendered(values: str, apis: tuple[str, ...], upgrade: bool, release: str, namespace: str) -> Rendering:  # noqa: FBT001 - a cache's key
    words = ["template", release, str(CHART), "--namespace", namespace, "--values", "-"]
    words += [f"--api-versions={api}" for api in apis] + (["--is-upgrade"] if upgrade else [])
    done = run(*words, given=values)
    if done.returncode:
        return Rendering(refusal=done.stderr)
    documents = yaml.load_all(done.stdout, Loader=yaml.CSafeLoader)
    return Rendering(tuple(each for each in documents if each), text=done.stdout)


def run(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run Helm with an input, away from the user's own settings."""
    environment = {"HOME": "/nonexistent", "PATH": ""}
    return subprocess.run(
        [helm(), *words],
        check=False,
        input=given,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=environment,
    )


def pods(objects: Sequence[Document]) -> list[tuple[str, Document]]:
    """Return the name of its owner and the template of every pod."""
    found = []
    for each in objects:
        name = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] == "Pod":
            found.append((name, each))
        elif each["kind"] == "CronJob":
            found.append((name, each["spec"]["jobTemplate"]["spec"]["template"]))
        elif "template" in each.get("spec", {}):
            found.append((name, each["spec"]["template"]))
    return found


def containers(pod: Document) -> list[Document]:
    """Return all containers of a pod's template."""
    spec = pod["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]

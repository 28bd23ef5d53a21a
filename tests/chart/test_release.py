"""The life of a release: the real Helm installs, upgrades and uninstalls on an API server for tests."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3

from mesh.cluster.api import ClusterApi
from mesh.cluster.router import ClusterRouter
from mesh.model import Split, Weights
from tests.chart.harness import CHART, NAMESPACE, RELEASE, run
from tests.chart.test_jobs import run as run_script
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import open_definition

TWO = {
    "models": [
        {"version": "1.0", "source": {"baked": "zh-small:1.0"}},
        {"version": "1.1", "source": {"baked": "zh-small:1.1-reviews"}},
    ],
    "rollout": {"canary": "1.1"},
}
# Kinds that the server does not know by itself; what fields they have is tested elsewhere.
KINDS = (
    ("apps", "statefulsets", "StatefulSet"),
    ("batch", "jobs", "Job"),
    ("networking.istio.io", "destinationrules", "DestinationRule"),
    ("networking.istio.io", "gateways", "Gateway"),
    ("networking.istio.io", "sidecars", "Sidecar"),
    ("networking.istio.io", "virtualservices", "VirtualService"),
    ("networking.k8s.io", "networkpolicies", "NetworkPolicy"),
    ("policy", "poddisruptionbudgets", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "rolebindings", "RoleBinding"),
    ("rbac.authorization.k8s.io", "roles", "Role"),
    ("security.istio.io", "authorizationpolicies", "AuthorizationPolicy"),
    ("security.istio.io", "peerauthentications", "PeerAuthentication"),
    ("telemetry.istio.io", "telemetries", "Telemetry"),
)
KIND = "modelrollouts.bertmesh.dev"
ROLLOUT = f"/apis/bertmesh.dev/v1alpha1/namespaces/{NAMESPACE}/modelrollouts/bert"
DONE = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}


@dataclass
class Cluster:
    """An API server on which Jobs run."""

    api: KubeApi
    folder: Path
    ran: list[str] = field(default_factory=list)

    def helm(self, *words: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
        """Run Helm against it; ``values`` are those of the chart."""
        given = ["--values", "-"] if values is not None else []
        where = [
            "--namespace",
            NAMESPACE,
            "--kubeconfig",
            str(self.folder / "kubeconfig"),
            "--timeout",
            "30s",
        ]
        done = run(*words, *where, *given, given=json.dumps(values or {}))
        assert done.returncode == 0, done.stderr
        return done

    def upgrade(self, values: dict[str, Any]) -> None:
        """Install or upgrade the release."""
        self.helm("upgrade", "--install", RELEASE, str(CHART), values=values)

    def rollout(self) -> dict[str, Any] | None:
        """Return the ModelRollout, if it is there."""
        answer = urllib3.request("GET", self.api.url + ROLLOUT, retries=False)
        found: dict[str, Any] | None = answer.json() if answer.status == 200 else None
        return found

    def say_ready(self, name: str) -> None:
        """Say what a controller says once it has made the route."""
        ready = {**DONE, "type": "Ready", "reason": "Serving", "message": "the route is made"}
        self.api.edit_status("ModelRollout", name, {"conditions": [ready]}, namespace=NAMESPACE)

    def run_jobs(self, stop: threading.Event) -> None:
        """Do as the Job controller does, with the scripts of the chart."""
        while not stop.wait(0.05):
            for job in self.api.all("Job", NAMESPACE):
                name = job["metadata"]["name"]
                if "status" not in job:
                    [container] = job["spec"]["template"]["spec"]["containers"]
                    if container["args"][0] == "ready":
                        self.say_ready(container["args"][1])
                    self.api.grant(name, [self.api.get("Role", name, NAMESPACE)])
                    done = run_script(self.api, self.folder, name, "cluster.py", *container["args"])
                    assert done.returncode == 0, done.stderr
                    self.ran.append(name)
                    times = {
                        "startTime": DONE["lastTransitionTime"],
                        "completionTime": DONE["lastTransitionTime"],
                    }
                    status = {"succeeded": 1, "conditions": [DONE], **times}
                    self.api.edit_status("Job", name, status, namespace=NAMESPACE)


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Run a cluster that does not know our kind yet."""
    stop = threading.Event()
    with KubeApi(namespaces=[NAMESPACE]) as api:
        for group, plural, kind in KINDS:
            api.create(open_definition(group, "v1", plural, kind))
        api.kubeconfig(folder / "kubeconfig", namespace=NAMESPACE)
        cluster = Cluster(api, folder)
        jobs = threading.Thread(target=cluster.run_jobs, args=(stop,))
        jobs.start()
        try:
            yield cluster
        finally:
            stop.set()
            jobs.join()


def in_the_middle(cluster: Cluster) -> Split:
    """Do what the controller does in the middle of a rollout."""
    client = ClusterApi(cluster.api.client())
    split = Split("1.0", "1.1", Weights(20))
    ClusterRouter(client, "bert", NAMESPACE, lambda: ["1.0", "1.1"], holder="bert").apply(split)
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/bert-v1-1/scale"
    client.request("PATCH", path, body={"spec": {"replicas": 5}}, content_type="application/merge-patch+json")
    return split


@pytest.mark.slow
def test_a_release_is_installed_upgraded_in_mid_rollout_and_uninstalled(tmp_path: Path) -> None:
    with running(tmp_path) as cluster:
        cluster.upgrade(TWO)
        first = cluster.rollout()
        assert first is not None
        assert first["spec"]["canary"] == "1.1"
        password = cluster.api.get("Secret", "bert-redis", NAMESPACE)["data"]
        split = in_the_middle(cluster)

        # Twice: the first upgrade takes the ModelRollout into the release, the second finds it there.
        for level in ("DEBUG", "WARNING"):
            cluster.upgrade({**TWO, "pod": {"logLevel": level}})
            after = cluster.rollout()
            assert after is not None
            assert after["metadata"]["uid"] == first["metadata"]["uid"]
            assert after["spec"] == first["spec"]
            assert "helm.sh/hook" not in after["metadata"]["annotations"]
            client = ClusterApi(cluster.api.client())
            router = ClusterRouter(client, "bert", NAMESPACE, lambda: ["1.0", "1.1"], holder="bert")
            assert router.split() == split
            canary = cluster.api.get("Deployment", "bert-v1-1", NAMESPACE)
            assert canary["spec"]["replicas"] == 5
            assert cluster.api.get("Secret", "bert-redis", NAMESPACE)["data"] == password
        assert not any(seen.method == "DELETE" and seen.path == ROLLOUT for seen in cluster.api.seen)

        done = cluster.helm("uninstall", RELEASE)
        assert "[CustomResourceDefinition] modelrollouts.bertmesh.dev" in done.stdout  # is kept
        assert cluster.rollout() is None
        assert cluster.ran == ["bert-secret", "bert-ready", "bert-secret", "bert-secret", "bert-farewell"]
        assert not cluster.api.has("Deployment", "bert-v1-0", NAMESPACE)
        assert cluster.api.has("Secret", "bert-redis", NAMESPACE)


@pytest.mark.slow
def test_a_second_release_and_one_after_the_first_leave_the_kind_to_whom_it_belongs(tmp_path: Path) -> None:
    def owner() -> str:
        notes = cluster.api.get("CustomResourceDefinition", KIND, "")["metadata"]["annotations"]
        return str(notes["meta.helm.sh/release-name"])

    with running(tmp_path) as cluster:
        first = cluster.helm("upgrade", "--install", "bert", str(CHART), values={}).stdout
        assert "was there already" not in first
        second = cluster.helm("upgrade", "--install", "ernie", str(CHART), values={}).stdout
        assert f"was there already ({NAMESPACE}/bert has it), so this release leaves it as it is" in second
        assert "was there already" not in cluster.helm("upgrade", "bert", str(CHART), values={}).stdout
        cluster.helm("uninstall", "bert")
        later = cluster.helm("upgrade", "--install", "later", str(CHART), values={}).stdout
        assert "kubectl apply --server-side" in later
        assert owner() == "bert"
        hosts = {
            host
            for name in ("ernie", "later")
            for host in cluster.api.get("Gateway", name, NAMESPACE)["spec"]["servers"][0]["hosts"]
        }
        assert hosts == {f"./ernie.{NAMESPACE}.localhost", f"./later.{NAMESPACE}.localhost"}

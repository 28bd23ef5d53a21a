"""The chart on a real API server with Istio's webhooks, by Helm, and its operator's routes in Envoy."""

import json
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.chart.harness import CHART, RELEASE
from tests.cluster.control_plane import ControlPlane
from tests.cluster.gateway import Gateway
from tests.cluster.release import run_helm
from tests.cluster.stand_ins import StandIns, stand_ins
from tests.support.processes import Prometheus, answers, running, wait_until

METRICS_PORT: Final = 9091
CANARY: Final = {
    "models": [
        {"version": "1.0", "source": {"baked": "zh-small:1.0"}},
        {"version": "1.1", "source": {"baked": "zh-small:1.1-reviews"}},
    ],
    "rollout": {"canary": "1.1"},
}


@dataclass
class Release:
    """A release of the chart in a namespace of its own."""

    plane: ControlPlane
    namespace: str
    pods: StandIns

    def helm(self, *words: str, values: Mapping[str, Any] | None = None) -> None:
        """Run Helm until its end, hooks included, and stand in for the pods meanwhile."""
        with ThreadPoolExecutor(1) as aside:
            running = aside.submit(run_helm, self.plane, self.namespace, *words, values=values)

            def has_ended() -> bool:
                self.pods.settle()
                return running.done()

            wait_until(has_ended, f"helm {' '.join(words)} has ended")
            running.result()

    def upgrade(self, values: Mapping[str, Any]) -> None:
        """Install or upgrade the release."""
        self.helm("upgrade", "--install", RELEASE, str(CHART), values=values)

    def status(self) -> Mapping[str, Any]:
        """Return the ModelRollout's status."""
        found: Mapping[str, Any] = self.plane.get("mr", "bert", self.namespace).get("status", {})
        return found


@pytest.fixture
def release(mesh: ControlPlane, namespace: str) -> Iterator[Release]:
    with stand_ins(mesh, namespace) as pods:
        made = Release(mesh, namespace, pods)
        yield made
        made.helm("uninstall", RELEASE, "--ignore-not-found")
        # The chart keeps it; the next release may be another's.
        mesh.kubectl("delete", "crd", "modelrollouts.bertmesh.dev", "--ignore-not-found")


@contextmanager
def operator(release: Release, metrics: Prometheus) -> Iterator[None]:
    """Run the operator with the rights that the chart gives it."""
    config = release.plane.kubeconfig_of(f"{RELEASE}-controller", release.namespace)
    words = [sys.executable, "-m", "bertmesh", "operator", f"--namespace={release.namespace}"]
    words += [f"--prometheus={metrics.url}", f"--metrics-port={METRICS_PORT}", f"--kubeconfig={config}"]
    ready = answers(f"http://127.0.0.1:{METRICS_PORT}/metrics")
    with running("operator", words, folder=release.plane.logs, ready=ready):
        yield


def test_the_chart_is_installed_with_its_default_values(release: Release) -> None:
    release.upgrade({})
    assert [said.strip() for said in release.pods.jobs.values()] == ["Secret bert-redis made"]
    assert release.plane.get("mr", "bert", release.namespace)["spec"]["stable"] == "1.0"
    kinds = "gateways.networking.istio.io,sidecars,envoyfilters,peerauthentications,telemetries"
    stored = json.loads(
        release.plane.kubectl("get", kinds, "--namespace", release.namespace, "--output=json")
    )
    assert {each["kind"] for each in stored["items"]} >= {"Gateway", "PeerAuthentication", "Telemetry"}


def test_what_the_operator_writes_is_what_envoy_splits_by(
    release: Release, ingress: Gateway, counters: Prometheus
) -> None:
    def split() -> dict[str, int]:
        release.pods.settle()
        return ingress.weights(f"{RELEASE}.{release.namespace}.localhost")

    release.upgrade(CANARY)
    with operator(release, counters):
        wait_until(lambda: set(split().values()) == {95, 5}, lambda: f"Envoy has 5 %: {release.status()}")
        assert release.status()["weight"] == 5
        release.plane.kubectl(
            "annotate", "mr", "bert", "--namespace", release.namespace, "bertmesh.dev/command=abort"
        )
        wait_until(
            lambda: set(split().values()) <= {100}, lambda: f"Envoy splits no more: {release.status()}"
        )
        release.helm("uninstall", RELEASE)

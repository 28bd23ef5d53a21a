"""Rollouts on the whole mesh: pods with sidecars under STRICT, Istio's gateway, Prometheus, and traffic."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import pytest
import urllib3

from canary.operator.lease import LEASE
from tests.chart.harness import CHART, RELEASE
from tests.cluster.control_plane import ControlPlane, Document
from tests.cluster.gateway import Gateway
from tests.cluster.node import Node
from tests.cluster.release import pods_of, run_helm
from tests.cluster.telemetry import scrape, scrape_pods, write_pods
from tests.support.processes import prometheus_server, wait_until

PORT: Final = 9090
OK, ERROR, SOME = 200, 500, 5
THREADS: Final = 4
PAUSE_S: Final = 0.05
MODELS: Final = [
    {"version": "1.0", "source": {"baked": "zh-small:1.0"}},
    {"version": "1.1", "source": {"baked": "zh-small:1.1-reviews"}},
    {"version": "1.2", "source": {"baked": "zh-small:1.1-reviews"}},
]


@dataclass
class Traffic:
    """Clients of the gateway; ``answers`` counts what they got by version and status.

    ``lost`` says what came in place of an answer.
    """

    gateway: Gateway
    host: str
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def served(self) -> bool:
        """Ask once, and tell whether there was an answer."""
        return self.gateway.listens(80) and self.gateway.call(self.host).status == OK

    def _ask(self) -> None:
        pool = urllib3.PoolManager(retries=False, timeout=20)
        headers = {"host": self.host}
        url = f"http://{self.gateway.address}/fill-mask"
        while not self._over.wait(PAUSE_S):
            # Each text is new: an answer that was kept says nothing of the version.
            text = f"第{next(self._numbers)}次，中国的首都是[MASK]京。"
            answer = pool.request("POST", url, json={"text": text}, headers=headers)
            version = answer.headers.get("x-model-version", "nobody")
            with self._lock:
                self.answers[version, answer.status] += 1
                if answer.status != OK:
                    told = {name: value for name, value in answer.headers.items() if name.startswith("x-")}
                    self.lost.append(f"{answer.status} by {version}: {answer.data.decode()[:200]} {told}")

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Ask until the block ends."""
        threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(THREADS)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._over.set()
            for each in threads:
                each.join()


@dataclass
class Town:
    """A release in the mesh, with a Prometheus that sees its pods and the gateway."""

    plane: ControlPlane
    gateway: Gateway
    namespace: str

    @property
    def host(self) -> str:
        """The name by which the gateway lets requests in."""
        return f"{RELEASE}.{self.namespace}.localhost"

    def helm(self, *words: str, values: Mapping[str, Any] | None = None) -> None:
        """Run Helm to its end."""
        run_helm(self.plane, self.namespace, *words, values=values)

    def status(self) -> Document:
        """Return the ModelRollout's status."""
        found: Document = self.plane.get("modelrollout", RELEASE, self.namespace).get("status", {})
        return found

    def phase(self) -> str:
        """Return the rollout's phase, in a word."""
        return str(self.status().get("phase", ""))

    def put_on_trial(self, canary: str) -> None:
        """Name a canary."""
        self.helm("upgrade", RELEASE, str(CHART), values=self.values(canary))

    def leader(self) -> str:
        """Return the pod of the controller that holds the Lease."""
        lease = self.plane.get("lease", LEASE, self.namespace)
        return str(lease["spec"]["holderIdentity"]).partition("_")[0]

    def values(self, canary: str = "") -> Document:
        """Return the release's values: small, judged by the profile for demos."""
        return {
            "models": MODELS,
            "modelDefaults": {
                "threads": 1,
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
            },
            "rollout": {"canary": canary, "policy": {"profile": "fast"}},
            "console": {"enabled": False},
            # This gateway listens on the port of the Service, which the operator's sidecar would catch.
            "controller": {"podRanges": [self.plane.network.pods]},
            "monitoring": {"prometheusUrl": f"http://{self.plane.network.node}:{PORT}"},
        }


@pytest.fixture(scope="module")
def town(mesh: ControlPlane, sidecars: Node, ingress: Gateway) -> Iterator[Town]:
    assert sidecars.alive
    targets = mesh.folder / "pods.json"
    write_pods(targets, [])
    jobs = [scrape("gateway", [ingress.metrics]), scrape_pods("pods", targets)]
    over = threading.Event()
    with (
        mesh.namespace() as namespace,
        prometheus_server(mesh.folder / "town", {"scrape_configs": jobs}, port=PORT, host=mesh.network.node),
    ):
        here = Town(mesh, ingress, namespace)

        def list_pods() -> None:
            while not over.wait(1.0):
                write_pods(targets, pods_of(mesh, namespace, "model"))

        lister = threading.Thread(target=list_pods, daemon=True)
        lister.start()
        here.helm("install", RELEASE, str(CHART), "--wait", values=here.values())
        # The chart refuses a drill's fault, and a pod takes it only on what it thinks a developer's machine.
        fault = ("BERTMESH_FAULT=error=0.5", "BERTMESH_HOME_KIND=local")
        mesh.kubectl("set", "env", f"deployment/{RELEASE}-v1-2", *fault, "--namespace", namespace)
        try:
            yield here
        finally:
            over.set()
            lister.join()
            here.helm("uninstall", RELEASE, "--wait")
            mesh.kubectl("delete", "crd", "modelrollouts.bertmesh.dev")


@pytest.fixture
def traffic(town: Town) -> Iterator[Traffic]:
    asking = Traffic(town.gateway, town.host)
    wait_until(asking.served, lambda: f"the gateway has the route: {town.status()}")
    with asking.flowing():
        yield asking


def proved(town: Town) -> tuple[str, str]:
    """Return what the condition `Proved` says: whether, and by whom."""
    found = {each["type"]: (each["status"], each["reason"]) for each in town.status()["conditions"]}
    return found["Proved"]


def test_a_failing_canary_is_taken_back_and_loses_no_request_but_its_own(
    town: Town, traffic: Traffic
) -> None:
    town.put_on_trial("1.2")
    wait_until(lambda: town.phase() == "RolledBack", lambda: f"it is taken back: {town.status()}")
    wait_until(
        lambda: proved(town) == ("True", "ProxiesAnswered"), lambda: f"that is proved: {town.status()}"
    )
    assert traffic.answers["1.2", ERROR]
    assert {who for who, status in traffic.answers if status != OK} == {"1.2"}


def test_a_good_canary_is_promoted_though_its_operator_is_killed_and_no_request_is_lost(
    town: Town, traffic: Traffic
) -> None:
    town.put_on_trial("1.1")
    wait_until(lambda: town.status().get("weight", 0) >= SOME, lambda: f"it has traffic: {town.status()}")
    killed = town.leader()
    town.plane.kubectl("delete", "pod", killed, "--namespace", town.namespace, "--force", "--grace-period=0")
    wait_until(lambda: town.phase() == "Promoted", lambda: f"it is promoted: {town.status()}")
    wait_until(
        lambda: proved(town) == ("True", "ProxiesAnswered"), lambda: f"that is proved: {town.status()}"
    )
    assert town.leader() != killed
    assert traffic.lost == []
    assert {version for version, _ in traffic.answers} == {"1.0", "1.1"}

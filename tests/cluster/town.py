"""A release of the chart in the mesh: pods with sidecars, Istio's gateway, Prometheus."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import uuid4

from bertmesh.demo.acts import PROFILE, TUNED
from bertmesh.demo.capacity import measure_capacity
from bertmesh.demo.sentences import review_sentences
from bertmesh.demo.traffic import Traffic
from bertmesh.demo.venue import Venue
from bertmesh.errors import ControllerSilent
from bertmesh.local.home import VersionSpec
from canary.cluster.api import ModelRollouts
from canary.cluster.client import ClusterClient
from canary.cluster.start import Wanted, begin
from canary.operator.lease import LEASE
from canary.rollout.commands import OrderResult, Start
from canary.rollout.state import State
from mesh.cluster.api import ClusterApi
from mesh.cluster.router import ClusterRouter
from mesh.model import subset_name
from tests.chart.harness import CHART, RELEASE
from tests.cluster.control_plane import ControlPlane, Document
from tests.cluster.gateway import Gateway
from tests.cluster.release import pods_of, run_helm
from tests.cluster.telemetry import scrape, scrape_pods, write_pods
from tests.support.processes import Prometheus, prometheus_server, wait_until

PORT: Final = 9090
OK: Final = 200
SEED: Final = 7
BASE: Final = "1.0"
VERSIONS: Final = {
    BASE: "zh-small:1.0",
    **dict.fromkeys(("1.1-reviews", "1.2-failing", "1.2-slow", "1.2"), TUNED),
}
BAKE_S: Final = 60.0
"""The shortest that a ModelRollout with a holdback may have."""


@dataclass(frozen=True)
class Town:
    """The release, and those who call it from outside."""

    plane: ControlPlane
    gateway: Gateway
    namespace: str
    prometheus: Prometheus

    @property
    def host(self) -> str:
        """The name by which the gateway lets requests in."""
        return f"{RELEASE}.{self.namespace}.localhost"

    def helm(self, *words: str, stable: str = "", canary: str = "") -> None:
        """Install or upgrade the release by Helm, with a version on trial."""
        values = self._values({"stable": stable, "canary": canary})
        run_helm(self.plane, self.namespace, *words, RELEASE, str(CHART), values=values)

    def answers(self) -> bool:
        """Ask once, and tell whether there was an answer."""
        return self.gateway.listens(80) and self.gateway.call(self.host).status == OK

    def status(self) -> Document:
        """Return the ModelRollout's status."""
        found: Document = self.plane.get("modelrollout", RELEASE, self.namespace).get("status", {})
        return found

    def generation(self) -> int:
        """Return how often the ModelRollout's spec was written."""
        return int(self.plane.get("modelrollout", RELEASE, self.namespace)["metadata"]["generation"])

    def proved(self) -> tuple[str, str]:
        """Return what the condition `Proved` says: whether, and by whom."""
        found = {each["type"]: (each["status"], each["reason"]) for each in self.status()["conditions"]}
        return found["Proved"]

    def lease(self) -> Document:
        """Return what the Lease of the controllers says."""
        spec: Document = self.plane.get("lease", LEASE, self.namespace)["spec"]
        return spec

    def _values(self, versions: Mapping[str, str]) -> Mapping[str, Any]:
        """Return values of small pods; the profile is the demo's."""
        policy = {"profile": PROFILE.name, "holdback": PROFILE.holdback, "bake": f"{BAKE_S:.0f}s"}
        return {
            "models": [{"version": name, "source": {"baked": model}} for name, model in VERSIONS.items()],
            "modelDefaults": {
                "threads": 1,
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
            },
            "rollout": {**versions, "policy": policy},
            "console": {"enabled": False},
            # This gateway listens on the port of the Service, which the operator's sidecar would catch.
            "controller": {"podRanges": [self.plane.network.pods]},
            "monitoring": {"prometheusUrl": f"http://{self.plane.network.node}:{PORT}"},
        }


class ClusterVenue(Venue):
    """The demo in a town: rollouts begin by `helm upgrade` or by an order, a controller is a pod."""

    def __init__(self, town: Town, *, by_order: bool = False) -> None:
        api = ClusterApi(town.plane.client())
        self._client = ClusterClient(ModelRollouts(api, town.namespace), RELEASE)
        super().__init__(
            self._client,
            f"http://{town.gateway.address}",
            profile=replace(PROFILE, bake_s=BAKE_S),
            log=f"in {town.plane.logs / 'pods'}",
            headers={"host": town.host},
        )
        self.town, self._by_order = town, by_order
        self._router = ClusterRouter(api, RELEASE, town.namespace, lambda: tuple(VERSIONS))

    def add_version(self, name: str, spec: VersionSpec) -> None:
        """See `Venue`; the release has all versions, so there is at most a fault to add."""
        if spec.fault:
            # The chart refuses a fault, and a pod takes it only on what it thinks a developer's machine.
            fault = (f"BERTMESH_FAULT={spec.fault}", "BERTMESH_HOME_KIND=local")
            deployment = f"deployment/{RELEASE}-{subset_name(name)}"
            self.town.plane.kubectl("set", "env", deployment, *fault, "--namespace", self.town.namespace)

    def start(self, canary: str, within_s: float) -> OrderResult:
        """See `Venue`; a version that the release names already is begun again by an order."""
        start = Start(uuid4().hex, "demo", time.time(), canary)
        if self._by_order or self._client.read()["spec"].get("canary") == canary:
            return begin(self._client, Wanted(canary), start, within_s=within_s)
        self.town.helm("upgrade", canary=canary)
        wait_until(lambda: self._on_trial() == canary, lambda: f"{canary} is on trial: {self.town.status()}")
        return OrderResult(start.id, ok=True, message="")

    def state(self) -> State:
        """See `Venue`."""
        state = self.client.state()
        if state is None:
            raise ControllerSilent(self.log)
        return state

    def weight(self, canary: str) -> int:
        """See `Venue`."""
        return dict(self._router.split().shares).get(canary, 0)

    def kill_controller(self) -> str | None:
        """See `Venue`; the name is the pod's."""
        pod = str(self.town.lease()["holderIdentity"]).partition("_")[0]
        where = ("--namespace", self.town.namespace)
        self.town.plane.kubectl("delete", "pod", pod, *where, "--force", "--grace-period=0")
        return pod

    def successor(self, killed: str) -> float | None:
        """See `Venue`; whoever holds the Lease is at work."""
        lease = self.town.lease()
        if str(lease.get("holderIdentity") or killed).partition("_")[0] == killed:
            return None
        return datetime.fromisoformat(lease["acquireTime"]).timestamp()

    def _on_trial(self) -> str:
        rollout = self.state().rollout
        return rollout.canary if rollout else ""


@contextmanager
def flowing(venue: Venue) -> Iterator[Traffic]:
    """Send what half of the machine carries until the block ends."""
    sentences = review_sentences()
    carried = measure_capacity(venue.gateway, sentences, seed=SEED, headers=venue.headers)
    traffic = Traffic(venue.gateway, sentences, rate=carried.rate, random=Random(SEED), headers=venue.headers)
    traffic.start()
    try:
        yield traffic
    finally:
        traffic.stop()


@contextmanager
def town(plane: ControlPlane, gateway: Gateway) -> Iterator[Town]:
    """Install the release; ready means that the gateway has an answer. A node with sidecars must run."""
    targets = plane.folder / "pods.json"
    write_pods(targets, [])
    jobs = [scrape("gateway", [gateway.metrics]), scrape_pods("pods", targets)]
    with (
        plane.namespace() as namespace,
        prometheus_server(
            plane.folder / "town", {"scrape_configs": jobs}, port=PORT, host=plane.network.node
        ) as prometheus,
        _listed(plane, namespace, targets),
    ):
        here = Town(plane, gateway, namespace, prometheus)
        try:
            here.helm("install", "--wait")
            wait_until(here.answers, lambda: f"the gateway has the route: {here.status()}")
            yield here
        finally:
            run_helm(plane, namespace, "uninstall", RELEASE, "--ignore-not-found", "--wait")
            plane.kubectl("delete", "crd", "modelrollouts.bertmesh.dev", "--ignore-not-found")


@contextmanager
def _listed(plane: ControlPlane, namespace: str, targets: Path) -> Iterator[None]:
    """Keep Prometheus' list of the model's pods up to date."""
    over = threading.Event()

    def list_pods() -> None:
        while not over.wait(1.0):
            write_pods(targets, pods_of(plane, namespace, "model"))

    lister = threading.Thread(target=list_pods, daemon=True)
    lister.start()
    try:
        yield
    finally:
        over.set()
        lister.join()

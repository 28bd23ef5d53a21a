"""Who says that a split is live: a real gateway is asked, also one that has lost istiod."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import pytest

from bertmesh.local.ports import free_port
from canary.cluster.asking import ProxyAsker
from canary.cluster.proof import ProvedRouter
from canary.controller.ports import NotYetLive
from canary.prometheus.client import PrometheusMetrics
from canary.rollout.confirmation import Confirmation, Source
from mesh.cluster.api import ClusterApi
from mesh.cluster.router import ClusterRouter
from mesh.model import Split, Weights
from tests.canary.fakes import FakeClock
from tests.cluster.control_plane import ISTIO_NAMESPACE, ControlPlane
from tests.cluster.gateway import NAME, Gateway
from tests.support.processes import wait_until

PROXY: Final = f"{ISTIO_NAMESPACE}/{NAME}"
LATE_S: Final = 1000.0


@dataclass
class Proof:
    """A router that asks the gateway, while no Prometheus answers."""

    asker: ProxyAsker
    router: ClusterRouter
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        metrics = PrometheusMetrics(f"http://127.0.0.1:{free_port()}")
        self.proved = ProvedRouter(self.router, metrics, self.clock, lambda *_: None, proxies=self.asker)

    def apply(self, split: Split) -> Confirmation | NotYetLive:
        try:
            return self.proved.apply(split)
        except NotYetLive as doubt:
            return doubt

    def confirmed(self, split: Split) -> Confirmation:
        """Apply it until somebody says that it is live; the clock stands still: nothing is assumed."""
        last: list[Confirmation | NotYetLive] = []

        def told() -> bool:
            last[:] = [self.apply(split)]
            return isinstance(last[0], Confirmation)

        wait_until(told, lambda: f"{split.text} is confirmed: {last}")
        assert isinstance(last[0], Confirmation)
        return last[0]


@pytest.fixture
def proof(mesh: ControlPlane, router: ClusterRouter, namespace: str) -> Iterator[Proof]:
    with ThreadPoolExecutor(4) as workers:
        asker = ProxyAsker(
            ClusterApi(mesh.client()),
            "bert",
            namespace,
            router.route,
            workers,
            places=(ISTIO_NAMESPACE,),
            sidecar=lambda: False,
            live_service=router.live_service,
        )
        yield Proof(asker, router)


@pytest.mark.usefixtures("pods", "ingress")
def test_the_gateway_says_itself_which_split_it_holds(proof: Proof) -> None:
    for split in (Split("1.0"), Split("1.0", "1.1", Weights(20)), Split("1.0", "1.1", Weights(50))):
        found = proof.confirmed(split)
        assert (found.by, found.words) == (Source.PROXIES, f"{PROXY} answered with it")


@pytest.mark.usefixtures("pods")
def test_a_gateway_that_is_cut_off_is_waited_for_and_its_pods_stay(proof: Proof, ingress: Gateway) -> None:
    half = Split("1.0", "1.1", Weights(50))
    proof.confirmed(half)
    with ingress.cut_off():
        proof.apply(Split("1.0"))
        proof.clock.time += LATE_S  # istiod has told all others by then, and no Prometheus says anything
        doubt = proof.apply(Split("1.0"))
        assert isinstance(doubt, NotYetLive)
        assert str(doubt) == f"{PROXY} holds {half.text}, which is not 1.0=100"
        assert (doubt.contrary, doubt.alert) == (True, True)
    # The route is for callers inside the mesh, too: before pods go they are watched for ten seconds.
    wait_until(lambda: not proof.asker.ask(Split("1.0")).others, "the gateway has heard of istiod again")
    proof.apply(Split("1.0"))
    proof.clock.time += proof.proved.drain_s
    assert proof.confirmed(Split("1.0")).by is Source.PROXIES


@pytest.mark.usefixtures("pods", "ingress")
def test_the_version_header_reaches_the_version_through_the_gateway(proof: Proof) -> None:
    proof.confirmed(Split("1.0", "1.1", Weights(0)))
    for version in ("1.0", "1.1"):
        assert proof.asker.reach(version).answered is True
    unknown = proof.asker.reach("2.0")
    assert unknown.answered is None
    assert "no rule" in unknown.words

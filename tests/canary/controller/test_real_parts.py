"""Rollouts with the real Envoy, the real Prometheus and the real store; only the pods are stand-ins."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import urllib3

from canary.controller.loop import Controller
from canary.controller.ports import WorkloadStatus
from canary.controller.world import World
from canary.local.client import Client
from canary.local.store import FileStore
from canary.prometheus.client import PrometheusMetrics
from canary.rollout.commands import Start
from canary.settings import Settings
from mesh.local.prometheus import render_prometheus
from mesh.model import Split
from tests.support.gateway import Gateway, gateway
from tests.support.pods import FakePod, pods
from tests.support.processes import LIMIT_S, prometheus_server, wait_until

pytestmark = pytest.mark.slow
RATE = 60.0


class AlwaysRunning:
    """Pods that run whatever is asked for."""

    def __init__(self, versions: Sequence[str]) -> None:
        self.wanted = dict.fromkeys(versions, 2)

    def versions(self) -> Sequence[str]:
        return list(self.wanted)

    def status(self, version: str) -> WorkloadStatus:
        return WorkloadStatus(self.wanted[version], 2, known=True)

    def scale(self, version: str, replicas: int) -> None:
        self.wanted[version] = replicas


class Crowd:
    """Clients that together send a steady rate of requests."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = Event()
        self.statuses: list[int] = []
        self._pool = urllib3.PoolManager(maxsize=32, retries=False, timeout=10)
        self._threads = [threading.Thread(target=self._run, args=(k,)) for k in range(12)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        period = len(self._threads) / RATE
        due = time.monotonic() + number / RATE
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += period
            answer = self._pool.request("POST", f"{self._url}/fill-mask", body=b"{}")
            self.statuses.append(answer.status)

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


class Theatre:
    """Everything that a rollout needs."""

    def __init__(self, here: Gateway, folder: Path, prometheus: str, canary: list[FakePod]) -> None:
        self.gateway, self.canary = here, canary
        self.store = folder / "rollout"
        self.client = Client(self.store)
        self.world = World(
            here.router,
            PrometheusMetrics(prometheus, Settings(window_s=15.0)),
            AlwaysRunning(("1.0", "1.1")),
            FileStore(self.store),
        )

    @contextmanager
    def controller(self) -> Iterator[None]:
        """Run a controller in a thread."""
        stop = Event()
        thread = threading.Thread(target=Controller(self.world).run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def begin(self) -> None:
        answer = self.client.send(Start("start", "ann", time.time(), "1.1", profile="fast", steps=(20,)))
        assert answer.ok, answer.message

    def end(self) -> str:
        """Wait for the end of the rollout and return its phase."""
        *_, last = self.client.follow(LIMIT_S)
        return str(last["rollout"]["phase"])

    def reach(self, weight: int) -> None:
        """Wait until the canary's weight is live."""
        wait_until(lambda: self.gateway.router.split().weights.canary >= weight, f"weight {weight}")


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Theatre]:
    with pods("1.0", "1.0", "1.1", "1.1") as members:
        by_version = {"1.0": members[:2], "1.1": members[2:]}
        with gateway(tmp_path, by_version, Split("1.0")) as here:
            scrape = render_prometheus(here.admin.url, tmp_path / "targets")
            with prometheus_server(tmp_path / "prometheus", scrape) as prometheus:
                crowd = Crowd(here.url)
                try:
                    time.sleep(8)  # a little of the stable's past
                    yield Theatre(here, tmp_path, prometheus.url, members[2:])
                finally:
                    crowd.end()


def test_a_good_canary_is_promoted_even_if_the_controller_is_replaced_on_the_way(theatre: Theatre) -> None:
    with theatre.controller():
        theatre.begin()
        theatre.reach(20)
    before = FileStore(theatre.store).load()
    with theatre.controller():
        assert theatre.end() == "Promoted"
    assert theatre.gateway.router.split() == Split("1.1")
    history = theatre.client.history()
    assert before is not None
    assert tuple(entry["number"] for entry in history)[: before.entries] == tuple(
        range(1, before.entries + 1)
    )
    assert [e["weight_to"] for e in history if e["action"] == "advance"] == [0, 0, 20, 100, 100]


def test_a_slow_canary_is_rolled_back(theatre: Theatre) -> None:
    for pod in theatre.canary:
        pod.does.delay_s = 0.3
    with theatre.controller():
        theatre.begin()
        assert theatre.end() == "RolledBack"
    turn = next(entry for entry in theatre.client.history() if entry["action"] == "roll_back")
    assert turn["sentence"].startswith("slow: canary ")


def test_a_dead_canary_is_not_silent(theatre: Theatre) -> None:
    with theatre.controller():
        theatre.begin()
        theatre.reach(20)
        for pod in theatre.canary:
            pod.kill()
        assert theatre.end() == "RolledBack"
    turn = next(entry for entry in theatre.client.history() if entry["action"] == "roll_back")
    assert turn["reason"] == "breaker"

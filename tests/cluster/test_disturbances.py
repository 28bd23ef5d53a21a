"""A rollout while parts of the mesh are away, at each of its weights: nothing lost, and no sentence untrue.

Part of `make test-scenarios`: it takes five minutes.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

import pytest

from bertmesh.demo.acts import WEIGHTS
from tests.chart.harness import RELEASE
from tests.cluster.control_plane import Document
from tests.cluster.town import BASE, ClusterVenue, Town, flowing
from tests.support.processes import wait_until

pytestmark = pytest.mark.scenarios

AWAY_S: Final = 10.0
CANARY: Final = "1.1-reviews"


@contextmanager
def silent(here: Town) -> Iterator[None]:
    """Keep Prometheus from answering and from scraping."""
    os.kill(here.prometheus.child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(here.prometheus.child.pid, signal.SIGCONT)


def claims(status: Document) -> tuple[str, int]:
    """Return what a status says of the weight: who proved it, and how much it is."""
    [proved] = [each for each in status.get("conditions", ()) if each["type"] == "Proved"] or [{}]
    return proved.get("reason", ""), int(status.get("weightProved") or 0)


def check_sentences(here: Town) -> None:
    """Where the status says that proxies answered with a weight, the gateway has that weight."""
    before = here.status()
    shares = here.gateway.weights(here.host)
    reason, weight = claims(before)
    if claims(here.status()) != (reason, weight) or reason != "ProxiesAnswered":
        return
    canary = {name: share for name, share in shares.items() if name == "v1-1-reviews"}
    assert weight == canary.get("v1-1-reviews", 0 if before["stable"] == BASE else weight), before


def test_istiod_gateway_and_prometheus_go_at_each_weight_and_nothing_is_lost_or_untrue(here: Town) -> None:
    venue = ClusterVenue(here)
    done: list[int] = []

    def away() -> Iterator[AbstractContextManager[None]]:
        yield here.plane.processes["istiod"].stopped()
        yield here.gateway.cut_off()
        yield silent(here)

    def pending() -> int | None:
        weight = int(here.status().get("weight") or 0)
        return weight if weight in WEIGHTS and weight not in done else None

    with flowing(venue) as traffic:
        venue.start(CANARY, 60.0)
        while here.status().get("phase") != "Promoted":
            check_sentences(here)
            if (weight := pending()) is not None:
                done.append(weight)
                for each in away():
                    with each:
                        end = time.monotonic() + AWAY_S
                        while time.monotonic() < end:
                            check_sentences(here)
            assert here.status().get("phase") not in {"RolledBack", "Failed"}, here.status()
        proof = ("True", "ProxiesAnswered")
        wait_until(lambda: here.proved() == proof, lambda: f"that is proved: {here.status()}")
    assert tuple(done) == WEIGHTS
    assert [each for each in traffic.answers() if each.failed] == []
    assert here.plane.get("mr", RELEASE, here.namespace)["status"]["stable"] == CANARY

"""Acts of the demo on the whole mesh: pods with sidecars under STRICT, Istio's gateway, Prometheus, traffic.

`make run-cluster` plays all of them, one after the other, and prints the report.
"""

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from bertmesh.demo.acts import ACTS, ActResult
from bertmesh.demo.pace import Needs
from bertmesh.demo.play import Stagehand
from bertmesh.demo.screen import Screen
from bertmesh.demo.traffic import Traffic
from tests.cluster.town import ClusterVenue, Town, flowing
from tests.support.processes import wait_until

START_S = 60.0


@pytest.fixture(scope="module")
def traffic(here: Town) -> Iterator[Traffic]:
    with flowing(ClusterVenue(here)) as made:
        yield made


def play(venue: ClusterVenue, traffic: Traffic, number: int) -> ActResult:
    """Play an act, and wait until it is proved that the gateway has its end."""
    needs = Needs.of(venue.profile, START_S)
    outcome = Stagehand(venue, traffic, needs, Screen(Console(file=io.StringIO())), ACTS[number]).play()
    proof = ("True", "ProxiesAnswered")
    wait_until(lambda: venue.town.proved() == proof, lambda: f"that is proved: {venue.town.status()}")
    return outcome


@pytest.mark.parametrize("number", [1, 2], ids=["failing", "slow"])
def test_a_bad_canary_is_taken_back_and_no_request_is_lost_but_its_own(
    here: Town, traffic: Traffic, number: int
) -> None:
    outcome = play(ClusterVenue(here), traffic, number)
    assert outcome.broken_promises() == []
    assert {each.version for each in outcome.answers if each.failed} <= {outcome.act.canary}


def test_a_good_one_is_promoted_though_its_operator_is_killed_and_both_hands_work(
    here: Town, traffic: Traffic
) -> None:
    venue = ClusterVenue(here, by_order=True)
    outcome = play(venue, traffic, 3)
    assert outcome.broken_promises() == []
    here.helm("upgrade", stable=outcome.act.canary)  # refused if an order had written into the spec
    wait_until(lambda: here.status()["observedGeneration"] == here.generation(), "the operator has seen it")
    assert venue.state().stable == outcome.act.canary

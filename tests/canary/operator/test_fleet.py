"""Rounds through many resources: what is wrong with one is nobody else's business."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from canary.operator.fleet import Fleet
from canary.operator.keeper import RolloutKeeper
from tests.canary.operator.clusters import Cluster
from tests.support.kubeapi import Fault
from tests.support.kubeapi.samples import deployment, rollout
from tests.support.processes import LIMIT_S, wait_until

MANY = 20


@contextmanager
def rounds(fleet: Fleet) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=fleet.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()


@pytest.fixture
def fleet(cluster: Cluster) -> Fleet:
    for number in range(MANY):
        labels = {"app": f"s{number}", "version": "1.0"}
        cluster.api.create(deployment(f"s{number}-1.0", labels=labels))
        cluster.api.create(rollout(f"s{number}", service=f"s{number}", canary=None))
    made = Fleet(cluster.tools())
    for number in range(MANY):
        made.changed("default", f"s{number}")
    return made


def routes(cluster: Cluster) -> set[str]:
    return {route["metadata"]["name"] for route in cluster.api.all("VirtualService")}


def everybody_but(*names: str) -> set[str]:
    return {f"s{number}" for number in range(MANY)} - set(names)


def test_a_state_that_nobody_can_read_and_an_api_that_hangs_for_one_stop_none_of_the_others(
    cluster: Cluster, fleet: Fleet
) -> None:
    broken = {"judge": {"schema": 1, "state": "nonsense", "notes": "{}"}}
    cluster.api.edit_status("ModelRollout", "s3", broken)
    cluster.api.fail(Fault(code=200, times=1000, path="/modelrollouts/s7", delay_s=4.0))
    with rounds(fleet):
        wait_until(lambda: routes(cluster) >= everybody_but("s3", "s7"))
        assert not routes(cluster) & {"s3", "s7"}
        cluster.api.server.faults.clear()
    said = cluster.api.get("ModelRollout", "s3")["status"]["conditions"][0]
    assert (said["status"], said["reason"]) == ("False", "StateCorrupt")


def test_a_mistake_of_ours_about_one_resource_is_told_and_stops_none_of_the_others(
    cluster: Cluster, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = RolloutKeeper._pass

    def one_fails(keeper: RolloutKeeper) -> None:
        if keeper.name == "s5":
            message = "index out of range"
            raise IndexError(message)
        whole(keeper)

    monkeypatch.setattr(RolloutKeeper, "_pass", one_fails)
    with rounds(fleet):
        wait_until(lambda: routes(cluster) >= everybody_but("s5"))
    assert "default/s5: IndexError: index out of range (this is a mistake in bertmesh)" in caplog.text


def test_what_is_gone_is_not_looked_after_any_more(cluster: Cluster, fleet: Fleet) -> None:
    with rounds(fleet):
        wait_until(lambda: routes(cluster) >= everybody_but())
        cluster.api.delete("ModelRollout", "s1")
        fleet.changed("default", "s1")
        wait_until(lambda: ("default", "s1") not in fleet._keepers)
    assert len(fleet._keepers) == MANY - 1

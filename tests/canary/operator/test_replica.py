"""The whole replica: kopf, the Lease, the handlers, in real time against the API server."""

import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from tests.canary.operator.clusters import Cluster, WallClock
from tests.canary.operator.replicas import child, running
from tests.support.kubeapi import Fault, KubeApi
from tests.support.kubeapi.samples import deployment, rollout
from tests.support.processes import LIMIT_S, wait_until

MANY = 200


def test_a_resource_is_taken_up_and_let_go_by_its_finalizer_with_all_traffic_on_the_stable(
    cluster: Cluster,
) -> None:
    cluster.apply(canary=None)
    with running(cluster) as (replica, _):
        wait_until(lambda: cluster.condition("Ready")["status"] == "True")
        assert "bertmesh.dev/traffic" in cluster.api.get("ModelRollout", "bert")["metadata"]["finalizers"]

        def metrics() -> str:
            return generate_latest(replica.telemetry.registry).decode()

        # The status is written before a pass is over, and counted after it.
        wait_until(lambda: 'bertmesh_rollout_weight{namespace="default",rollout="bert"} 0.0' in metrics())
        assert "bertmesh_rollout_leader 1.0" in metrics()
        cluster.api.delete("ModelRollout", "bert")
        wait_until(lambda: not cluster.api.has("ModelRollout", "bert"))
        wait_until(lambda: 'rollout="bert"' not in metrics().replace("bertmesh_rollout_reconcile_errors", ""))
    assert cluster.split.shares == (("1.0", 100),)
    assert cluster.api.get("Lease", "bertmesh-controller")["spec"]["holderIdentity"] == ""


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process run as a user that has no name, as a container's may."""

    def no_name(number: int) -> object:
        message = f"getpwuid(): uid not found: {number}"
        raise KeyError(message)

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_name)


@pytest.mark.usefixtures("nobody")
def test_a_user_without_a_name_may_run_it(cluster: Cluster) -> None:
    cluster.apply(canary=None)
    with running(cluster) as (replica, _):
        wait_until(lambda: cluster.condition("Ready")["status"] == "True" or replica.failure is not None)
    assert replica.failure is None


def test_a_mistake_of_ours_is_not_blamed_on_the_role(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> None:
        message = "no such thing"
        raise KeyError(message)

    monkeypatch.setattr("canary.operator.process.registry", mistaken)
    with running(cluster) as (replica, stop):
        assert stop.wait(LIMIT_S)
    assert "(no such thing): this is a mistake in bertmesh" in str(replica.failure)


def test_a_deletion_while_a_pass_is_made_is_not_left_lying(cluster: Cluster) -> None:
    cluster.apply(canary=None)
    with running(cluster):
        wait_until(lambda: cluster.condition("Ready")["status"] == "True")
        looks = len(cluster.api.seen)
        cluster.api.fail(Fault(code=200, times=2, method="GET", path="/virtualservices/", delay_s=2.0))
        wait_until(lambda: any("/modelrollouts/bert" in seen.path for seen in cluster.api.seen[looks:]))
        cluster.api.delete("ModelRollout", "bert")
        wait_until(lambda: not cluster.api.has("ModelRollout", "bert"))


def test_a_deletion_in_mid_rollout_waits_for_the_traffic(cluster: Cluster) -> None:
    cluster.apply()
    cluster.run(cluster.keeper(), until=lambda: cluster.status.get("weightProved") == 20)
    with running(cluster):
        wait_until(lambda: "finalizers" in cluster.api.get("ModelRollout", "bert")["metadata"])
        cluster.api.delete("ModelRollout", "bert")
        wait_until(lambda: not cluster.api.has("ModelRollout", "bert"))
    assert cluster.split.shares == (("1.0", 100),)
    assert cluster.replicas("1.1") == 0


def test_an_operator_without_rights_ends_with_a_sentence_and_writes_nothing(
    cluster: Cluster,
) -> None:
    lease = {"apiGroups": ["*"], "resources": ["leases"], "verbs": ["*"]}
    role = {"kind": "Role", "metadata": {"namespace": "default"}, "rules": [lease]}
    cluster.api.grant("nobody", [role])
    cluster.apply()
    before = len([seen for seen in cluster.api.writes() if "leases" not in seen.path])
    with running(cluster, "nobody") as (replica, stop):
        wait_until(lambda: replica.elector.holds(0))
        assert stop.wait(LIMIT_S)
    assert "cannot list it): check its Role" in str(replica.failure)
    assert len([seen for seen in cluster.api.writes() if "leases" not in seen.path]) == before


def test_an_operator_waits_for_its_kind_to_be_installed(cluster: Cluster) -> None:
    definition = cluster.api.get("CustomResourceDefinition", "modelrollouts.bertmesh.dev", "")
    cluster.api.delete("CustomResourceDefinition", "modelrollouts.bertmesh.dev", "")
    with running(cluster) as (replica, stop):
        wait_until(lambda: replica.elector.holds(0))
        stop.wait(1)
        metadata = {"name": definition["metadata"]["name"]}
        cluster.api.create({**definition, "metadata": metadata})
        cluster.apply(canary=None)
        wait_until(lambda: cluster.condition("Ready")["status"] == "True")


@pytest.mark.slow
@pytest.mark.parametrize("bad", [0.0, 0.4])
def test_a_whole_rollout_in_real_time(api: KubeApi, bad: float) -> None:
    cluster = Cluster(api, WallClock(), bad={"1.1": bad})
    over = threading.Event()

    def play() -> None:
        while not over.wait(0.3):
            cluster.traffic.advance()
            cluster.settle()

    player = threading.Thread(target=play)
    player.start()
    try:
        cluster.apply()
        with running(cluster):
            wait_until(lambda: cluster.phase in {"Promoted", "RolledBack"})
            stays, goes = ("1.0", "1.1") if bad else ("1.1", "1.0")
            wait_until(lambda: cluster.replicas(goes) == 0)
        assert cluster.split.shares == ((stays, 100),)
        assert cluster.status["stable"] == stays
    finally:
        over.set()
        player.join()


@pytest.mark.slow
def test_one_broken_resource_of_two_hundred_does_not_stop_the_others(cluster: Cluster) -> None:
    for number in range(MANY):
        service = f"s{number}"
        cluster.api.create(
            deployment(f"{service}-1.0", replicas=1, labels={"app": service, "version": "1.0"})
        )
        cluster.api.create(rollout(service, service=service, canary=None))
    broken = {"judge": {"schema": 1, "state": "nonsense", "notes": "{}"}}
    cluster.api.edit_status("ModelRollout", "s77", broken)

    def is_ready(resource: dict[str, Any]) -> bool:
        conditions = resource.get("status", {}).get("conditions", ())
        return ("Ready", "True") in {(each["type"], each["status"]) for each in conditions}

    def ready() -> int:
        return sum(map(is_ready, cluster.api.all("ModelRollout")))

    with running(cluster):
        wait_until(lambda: ready() == MANY - 1)
        said = cluster.api.get("ModelRollout", "s77")["status"]["conditions"][0]
    assert said["reason"] == "StateCorrupt"
    assert "put back a good one" in said["message"]


def test_of_two_replicas_one_writes_and_the_other_takes_over_when_it_stops(cluster: Cluster) -> None:
    cluster.apply(canary=None)
    with running(cluster) as (first, stop):
        wait_until(lambda: cluster.condition("Ready")["status"] == "True")
        with running(cluster) as (second, _):
            cluster.api.edit("ModelRollout", "bert", {"spec": {"canary": "9.9"}})
            wait_until(lambda: "version=9.9" in cluster.condition("Ready")["message"])
            assert (first.elector.holds(0), second.elector.holds(0)) == (True, False)
            stop.set()
            wait_until(lambda: second.elector.holds(0))
            cluster.api.edit("ModelRollout", "bert", {"spec": {"canary": None}})
            wait_until(lambda: cluster.status.get("observedGeneration") == 3)
            wait_until(lambda: cluster.condition("Ready")["status"] == "True")


def test_a_leader_that_lost_the_lease_stops_writing_kopfs_notes_included(cluster: Cluster) -> None:
    with running(cluster) as (replica, _):
        wait_until(lambda: replica.elector.holds(0))
        frozen = threading.Event()
        replica.elector.monotonic = lambda: float("inf")  # its clock says that the Lease is long over
        replica.elector.step = frozen.is_set  # type: ignore[method-assign] # and it gets no other
        before = len(cluster.api.writes())
        cluster.apply(canary=None)
        frozen.wait(3)
        assert len(cluster.api.writes()) == before
        assert "finalizers" not in cluster.api.get("ModelRollout", "bert")["metadata"]


@pytest.mark.slow
def test_an_operator_process_killed_without_warning_is_followed_by_another_that_goes_on(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.apply()
    cluster.run(cluster.keeper(), until=lambda: cluster.status.get("weightProved") == 20)
    before, _ = cluster.judge
    with child(cluster, tmp_path) as process:
        wait_until(lambda: cluster.api.has("Lease", "bertmesh-controller"))
        wait_until(lambda: "finalizers" in cluster.api.get("ModelRollout", "bert")["metadata"])
        process.kill()
        process.wait(LIMIT_S)
    with child(cluster, tmp_path) as process:
        wait_until(lambda: cluster.api.get("Lease", "bertmesh-controller")["spec"]["leaseTransitions"] == 1)
        wait_until(lambda: cluster.judge[0].latest != before.latest)
        after, _ = cluster.judge
        assert after.rollout.id == before.rollout.id
        assert after.ledger.metrics[0].rollout.canary == before.ledger.metrics[0].rollout.canary
        assert cluster.weight == 20
        process.terminate()
        assert process.wait(LIMIT_S) == 0

"""Rollouts through a real Envoy, judged by a real Prometheus, with real model pods."""

import os
import signal

from bertmesh.demo.facts import WeightPeriod, failures, seen_in, split_p, strangers
from bertmesh.demo.traffic import Traffic
from canary.rollout.model import Phase
from tests.local.conftest import flowing
from tests.local.hand import Hand

PROMOTED, REFUSED, ROLLED_BACK = 0, 1, 3


def test_a_good_canary_is_promoted_step_by_step_without_a_failed_request(
    mesh: Hand, traffic: Traffic
) -> None:
    stable = mesh.state.stable
    assert mesh.roll("1.1-reviews", steps="20,50") == PROMOTED
    assert mesh.state.stable == "1.1-reviews" != stable
    assert [step.weight for step in mesh.rollout.passed] == [20, 50, 100]
    assert failures(traffic.answers()) == 0
    stages = [WeightPeriod(step.weight, step.since, step.until or step.since) for step in mesh.rollout.passed]
    splits = [seen_in(stage, traffic.answers(), canary="1.1-reviews") for stage in stages]
    p = split_p(splits)
    assert p is not None
    assert p > 1e-4
    assert [split.stable for split in splits if split.weight == 100] == [0]
    assert not strangers({stable, "1.1-reviews"}, traffic.answers())


def test_an_undo_brings_the_former_version_back_at_once_without_a_failed_request(
    mesh: Hand, traffic: Traffic
) -> None:
    if mesh.state.previous is None:
        assert mesh.roll(mesh.add("undoable")) == PROMOTED
    former, left = mesh.state.previous, mesh.state.stable
    undone = mesh.command("rollout", "undo", "--now", "--why", "drill", "--wait", "--timeout", "120")
    assert undone.returncode == PROMOTED, undone.stderr
    assert (mesh.state.stable, mesh.state.previous) == (former, left)
    assert failures(traffic.answers()) == 0
    assert "by_hand:undo" in mesh.reasons()


def test_a_canary_that_fails_is_taken_back(mesh: Hand, traffic: Traffic) -> None:
    stable = mesh.state.stable
    assert mesh.roll(mesh.add("2.0-failing", fault="error=0.3")) == ROLLED_BACK
    assert mesh.state.stable == stable
    assert "errors" in mesh.status()["rollout"]["turn"]["sentence"]
    assert {answer.version for answer in traffic.answers() if answer.failed} <= {"2.0-failing"}


def test_a_slow_canary_is_taken_back(mesh: Hand, traffic: Traffic) -> None:
    assert mesh.roll(mesh.add("2.1-slow", fault="latency=1200ms")) == ROLLED_BACK
    assert "slow" in mesh.status()["rollout"]["turn"]["sentence"]
    assert failures(traffic.answers()) == 0


def test_a_canary_that_nobody_calls_is_not_promoted_but_taken_back_as_silent(mesh: Hand) -> None:
    # All clients pin the stable version, so the canary's share of the weight never comes.
    with flowing(mesh, pin=mesh.state.stable):
        assert mesh.roll(mesh.add("2.2-silent", replicas=1), words=("--replicas", "1")) == ROLLED_BACK
    assert "canary_silent" in mesh.reasons()


def test_no_metrics_are_no_success_and_no_failure(mesh: Hand, traffic: Traffic) -> None:
    canary = mesh.add("2.3-unmeasured", replicas=1)
    mesh.start(canary)
    mesh.until_weighted(canary)
    prometheus = mesh.pid("prometheus")
    os.kill(prometheus, signal.SIGSTOP)
    mesh.until("the controller says so", lambda: "metrics_down" in mesh.reasons())
    assert mesh.rollout.phase is Phase.PROGRESSING
    os.kill(prometheus, signal.SIGCONT)
    mesh.kill("prometheus")
    mesh.until("Prometheus is started again", lambda: mesh.starts("prometheus") > 1)
    assert mesh.until_ended() is Phase.PROMOTED
    assert failures(traffic.answers()) == 0


def test_killed_pods_cost_no_request_and_come_back(mesh: Hand, traffic: Traffic) -> None:
    pod = f"bert-{mesh.state.stable}-0"
    begin = len(traffic.answers())
    mesh.kill(pod)
    mesh.until("the pod is back", lambda: mesh.starts(pod) > 1 and len(traffic.answers()) > begin + 200)
    assert failures(traffic.answers()) == 0


def test_pause_holds_and_abort_takes_back(mesh: Hand, traffic: Traffic) -> None:
    stable, canary = mesh.state.stable, mesh.add("2.5", replicas=1)
    mesh.start(canary)
    mesh.until_weighted(canary)
    assert mesh.command("rollout", "pause").returncode == 0
    assert mesh.rollout.phase is Phase.PAUSED
    second = mesh.command("rollout", "start", "1.0", "--profile", "fast")
    assert second.returncode == REFUSED
    assert canary in second.stderr
    assert mesh.command("rollout", "abort").returncode == 0
    assert mesh.until_ended() is Phase.ROLLED_BACK
    assert mesh.state.stable == stable
    assert failures(traffic.answers()) == 0


def test_a_hand_edited_weight_is_put_back_and_recorded(mesh: Hand, traffic: Traffic) -> None:
    canary = mesh.add("2.6", replicas=1)
    mesh.start(canary)
    mesh.until_weighted(canary)
    routes = mesh.home.envoy / "rds" / "routes.yaml"
    edited = routes.with_name(".edited")
    edited.write_text(
        routes.read_text(encoding="utf-8").replace("weight: 50", "weight: 49", 1), encoding="utf-8"
    )
    edited.replace(routes)
    mesh.until(
        "it is put back", lambda: any(entry.action.value == "put_back" for entry in mesh.state.history)
    )
    assert mesh.command("rollout", "abort").returncode == 0
    mesh.until_ended()
    assert failures(traffic.answers()) == 0


def test_a_version_nobody_knows_cannot_be_rolled_out(mesh: Hand) -> None:
    refused = mesh.command("rollout", "start", "9.9", "--profile", "fast")
    assert refused.returncode == REFUSED
    assert "9.9" in refused.stderr
    assert "1.1-reviews" in refused.stderr
    assert "Traceback" not in refused.stderr

"""The operator as a process, with a real Prometheus over traffic that follows the routes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.canary.operator.crowds import Habits
from tests.canary.operator.towns import Town, town
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import mesh_api

pytestmark = pytest.mark.slow
ENDED = {"Promoted", "RolledBack", "Failed"}
BRIEF = {
    "profile": "fast",
    "steps": [{"weight": 20, "soak": "4s"}],
    "fallback": "30s",
    "bake": "6s",
    "holdback": 0,
}
SHARED = ("good", "failing", "slow", "silent", "storm")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Five rollouts side by side, each with its own fate, until all have ended."""
    habits = {name: Habits() for name in SHARED}
    habits["failing"].bad["1.1"] = 0.3
    habits["slow"].slow.add("1.1")
    with mesh_api() as api, town(api, tmp_path_factory.mktemp("town"), habits) as here:
        for service in SHARED:
            here.roll(service)
        here.until(lambda: here.proved("storm"), "the weight is proved")
        habits["storm"].bad.update({"1.0": 0.5, "1.1": 0.5})
        here.until(lambda: here.status("storm")["verdict"] == "common_incident", "the storm is seen")
        habits["storm"].bad.clear()
        habits["good"].pods["1.1"] = ("a", "c")  # a pod was killed, and another one took its place
        _edit(here.api, "good")
        here.until(lambda: here.proved("silent"), "the weight is proved")
        habits["silent"].avoided.add("1.1")
        here.until(lambda: all(here.phase(service) in ENDED for service in SHARED), "all have ended")
        here.kill()
        here.stop_prometheus()
        yield here


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town in which Prometheus and the operator are killed."""
    habits = {name: Habits() for name in ("blind", "mortal", "doomed")}
    with mesh_api() as api, town(api, tmp_path_factory.mktemp("rough"), habits) as here:
        yield here


def _edit(api: KubeApi, service: str) -> None:
    """Change a weight as somebody with kubectl would."""
    rules: list[dict[str, Any]] = api.get("VirtualService", service)["spec"]["http"]
    for rule in rules:
        if rule.get("name") == "split":
            for target, weight in zip(rule["route"], (90, 10), strict=True):
                target["weight"] = weight
    api.edit("VirtualService", service, {"spec": {"http": rules}}, manager="kubectl-edit")


def test_a_good_canary_is_promoted_although_a_pod_is_killed(shared: Town) -> None:
    assert shared.phase("good") == "Promoted"
    assert shared.status("good")["stable"] == "1.1"


def test_a_hand_edited_route_is_put_back_and_told_with_the_editors_name(shared: Town) -> None:
    told = [event["message"] for event in shared.events("good") if event["reason"] == "RouteChangedByOther"]
    assert any("kubectl-edit" in message for message in told)


def test_a_canary_that_fails_is_taken_back(shared: Town) -> None:
    assert shared.phase("failing") == "RolledBack"
    assert {"breaker", "harm"} & set(shared.reasons("failing"))


def test_a_canary_that_is_slow_is_taken_back_for_that(shared: Town) -> None:
    assert shared.phase("slow") == "RolledBack"
    turn = next(line for line in shared.status("slow")["history"] if line["reason"] == "harm")
    assert turn["message"].startswith("slow: canary ")


def test_a_canary_that_nobody_calls_any_more_is_taken_back_as_silent(shared: Town) -> None:
    assert shared.phase("silent") == "RolledBack"
    assert "canary_silent" in shared.reasons("silent")


def test_a_common_incident_is_not_blamed_on_the_canary(shared: Town) -> None:
    assert shared.phase("storm") == "Promoted"
    assert shared.judge("storm").rollouts == 1


def test_without_prometheus_it_holds_and_goes_on_when_it_is_back(rough: Town) -> None:
    rough.roll("blind", policy=BRIEF)
    rough.until(lambda: rough.proved("blind"), "the weight is proved")
    rough.stop_prometheus()
    rough.until(lambda: rough.status("blind")["verdict"] == "metrics_down", "its absence is said")
    before = rough.judge("blind")
    rough.start_prometheus()
    rough.until(lambda: rough.judge("blind").ledger.ticks > before.ledger.ticks, "it judges again")
    rough.until_phase("blind", "Promoted")
    assert rough.judge("blind").rollouts == 1


def test_an_operator_killed_in_every_phase_goes_on_with_the_same_evidence(rough: Town) -> None:
    rough.stop_prometheus()  # nothing is begun without the stable's past
    rough.stuck.add("mortal-1.1")
    steps = [{"weight": 20, "soak": "3s"}, {"weight": 50, "soak": "3s", "pause": True}]
    rough.roll("mortal", policy={**BRIEF, "steps": steps})
    goes_on: dict[str, Callable[[], object]] = {
        "Pending": rough.start_prometheus,
        "Warming": rough.stuck.clear,
        "Rehearsing": lambda: None,
        "Progressing": lambda: None,
        "Paused": lambda: _resume(rough, "mortal"),
        "Baking": lambda: None,
    }
    for phase, go_on in goes_on.items():
        rough.until_phase("mortal", phase)
        # An event comes after the status, and a kill in between would lose it.
        rough.until(lambda: _starts(rough, "mortal"), "the start is told")
        _replaced(rough, "mortal")
        go_on()
    rough.until_phase("mortal", "Promoted")
    weights = [line["weight"] for line in rough.status("mortal")["history"] if "weight" in line]
    assert [w for k, w in enumerate(weights) if k == 0 or w != weights[k - 1]] == [0, 20, 50, 100]
    assert _starts(rough, "mortal") == 1


def test_an_operator_killed_on_the_way_back_takes_all_traffic_home(rough: Town) -> None:
    rough.roll("doomed")
    rough.until(lambda: rough.proved("doomed"), "the weight is proved")
    rough.habits["doomed"].bad["1.1"] = 0.8
    rough.until_phase("doomed", "RollingBack")
    _replaced(rough, "doomed")
    rough.until_phase("doomed", "RolledBack")
    rough.until(lambda: _replicas(rough, "doomed-1.1") == 0, "the canary's pods are gone")


def _replicas(here: Town, deployment: str) -> int:
    return int(here.api.get("Deployment", deployment)["spec"]["replicas"])


def _starts(here: Town, service: str) -> int:
    """Return how many events tell that a rollout has started."""
    return sum(event["reason"] == "RolloutStarted" for event in here.events(service))


def _replaced(here: Town, service: str) -> None:
    """Kill the operator, start another, and compare what both know."""
    here.kill()
    before = here.judge(service)
    here.start()
    here.until(lambda: here.judge(service) != before, "it goes on")
    after = here.judge(service)
    assert (after.rollout.id, after.rollouts) == (before.rollout.id, 1)
    ticks = [0 if state.ledger is None else state.ledger.ticks for state in (before, after)]
    assert ticks[1] >= ticks[0]
    ladder = [0, 20, 50, 100]
    steps = [ladder.index(state.rollout.weight) for state in (before, after)]
    assert after.rollout.phase.value in {"RollingBack", "RolledBack"} or steps[1] - steps[0] in {0, 1}


def _resume(here: Town, service: str) -> None:
    note = {"metadata": {"annotations": {"bertmesh.dev/command": "resume"}}}
    here.api.edit("ModelRollout", service, note, manager="ann")

"""One ModelRollout against an API server over HTTP, in a time of its own."""

import hashlib
from dataclasses import replace

import pytest

from canary.cluster.errors import StateTooLarge
from canary.cluster.store import encode
from canary.judge.profiles import profile
from canary.measure.counters import Known
from tests.canary.operator.clusters import Cluster
from tests.support.kubeapi.samples import deployment


def test_a_healthy_canary_is_promoted_and_the_old_version_scaled_down_after_the_bake(
    cluster: Cluster,
) -> None:
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.phase == "Baking")
    assert (cluster.replicas("1.0"), cluster.replicas("1.1")) == (2, 2)
    cluster.run(keeper, 60)
    assert cluster.phase == "Promoted"
    assert cluster.status["stable"] == "1.1"
    assert cluster.status["previous"] == "1.0"
    assert cluster.split.shares == (("1.1", 100),)
    assert (cluster.replicas("1.0"), cluster.replicas("1.1")) == (0, 2)
    assert cluster.condition("Ready")["status"] == "True"
    assert cluster.condition("Progressing")["status"] == "False"
    assert {"RolloutStarted", "RolloutAdvanced", "WeightMoved", "RolloutPromoted"} <= set(cluster.reasons())
    assert not cluster.complaints


def test_before_the_first_rollout_the_phase_says_so(cluster: Cluster) -> None:
    cluster.apply(canary=None)
    cluster.run(cluster.keeper(), 5)
    assert cluster.phase == "Idle"


def test_weights_and_decisions_stand_in_the_log(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "canary.operator"):
        cluster.apply()
        cluster.run(cluster.keeper(), until=lambda: cluster.status.get("weightProved") == 20)
    said = [record.getMessage() for record in caplog.records]
    assert "default/bert: the route sends 80 % to 1.0 and 20 % to 1.1" in said
    assert any(line.startswith("default/bert: spec: 1.0 -> 1.1 at 20 -> 100 %") for line in said)


def test_a_failing_canary_goes_back_and_is_not_tried_again(cluster: Cluster) -> None:
    cluster.traffic.bad["1.1"] = 0.3
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, 120)
    assert cluster.phase == "RolledBack"
    assert cluster.split.shares == (("1.0", 100),)
    assert (cluster.replicas("1.0"), cluster.replicas("1.1")) == (2, 0)
    assert cluster.status["evidence"][0]["metric"] == "errors"
    assert "RollingBack" in cluster.reasons()
    starts = cluster.reasons().count("RolloutStarted")
    cluster.run(cluster.keeper(), 60)
    assert cluster.reasons().count("RolloutStarted") == starts == 1


def test_status_says_in_numbers_and_words_how_things_stand(cluster: Cluster) -> None:
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.status.get("weightProved") == 20)
    cluster.run(keeper, 4)
    status = cluster.status
    assert (status["phase"], status["step"], status["weight"], status["canary"]) == (
        "Progressing",
        1,
        20,
        "1.1",
    )
    errors = next(each for each in status["evidence"] if each["metric"] == "errors")
    assert errors["canary"]["requests"] > 0
    assert "errors: canary 0.00 % vs stable 0.00 %" in errors["words"]
    assert status["since"]
    assert status["observedGeneration"] == 1
    assert {each["observedGeneration"] for each in status["conditions"]} == {1}
    assert cluster.condition("Progressing")["reason"] == "Progressing"
    assert [line["phase"] for line in status["history"]][:2] == ["Pending", "Warming"]
    assert len(str(status["judge"])) < 20_000


def test_a_weight_is_proved_by_the_proxies_answers_before_the_soak_clock_starts(cluster: Cluster) -> None:
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.phase == "Rehearsing")
    cluster.proxies.read()
    cluster.proxies.frozen = True  # the proxies do not get what the API server has
    cluster.traffic.down = "connection refused"  # which matters to nobody who asks
    cluster.run(keeper, 200)
    assert (cluster.weight, cluster.status["weight"], cluster.phase) == (20, 20, "Progressing")
    assert cluster.status["weightProved"] == 0
    proved = cluster.condition("Proved")
    assert (proved["status"], proved["reason"]) == ("False", "NotYet")
    assert "the gateway holds 1.0=100,1.1=0, which is not 1.0=80,1.1=20" in proved["message"]
    cluster.proxies.frozen = False
    cluster.run(keeper, 3)
    assert cluster.status["weightProved"] == 20
    assert cluster.condition("Proved")["reason"] == "ProxiesAnswered"
    cluster.traffic.down = ""
    cluster.run(keeper, 120)
    assert cluster.phase == "Promoted"


def test_where_nobody_can_be_asked_a_weight_is_proved_by_the_proxies_counts(cluster: Cluster) -> None:
    cluster.gateway.open = False
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.phase == "Rehearsing")
    cluster.proxies.read()
    cluster.proxies.frozen = True  # the proxies do not get what the API server has
    cluster.run(keeper, 100)
    assert (cluster.weight, cluster.status["weight"], cluster.phase) == (20, 20, "Progressing")
    assert "weightProved" not in cluster.status, "weight 0 was only assumed, 20 is not even that"
    assert "since" not in cluster.status
    cluster.proxies.frozen = False
    cluster.run(keeper, until=lambda: cluster.status.get("weightProved") == 20, seconds=20)
    assert cluster.status["weightProved"] == 20
    assert cluster.condition("Proved")["reason"] == "Counted"
    cluster.run(keeper, 120)
    assert cluster.phase == "Promoted"


def rolled_back(cluster: Cluster, seconds: float) -> None:
    """Let a rollout begin, the gateway be cut off from istiod, and somebody abort."""
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.phase == "Progressing" and bool(cluster.status.get("since")))
    cluster.proxies.frozen = True
    cluster.traffic.down = "connection refused"
    cluster.command("abort")
    cluster.run(keeper, seconds)


def test_pods_stay_as_long_as_a_gateway_still_sends_requests_there(cluster: Cluster) -> None:
    rolled_back(cluster, 600)
    assert (cluster.phase, cluster.weight, cluster.replicas("1.1")) == ("RollingBack", 0, 2)
    assert "the gateway holds 1.0=80,1.1=20, which is not 1.0=100" in cluster.status["message"]
    assert cluster.condition("Degraded")["status"] == "True"
    assert not any("the gateway proves" in event["message"] for event in cluster.api.all("Event"))
    cluster.proxies.frozen = False
    cluster.run(cluster.keeper(), 20)
    assert (cluster.phase, cluster.replicas("1.1")) == ("RolledBack", 0)


def test_what_nothing_proves_is_called_assumed_wherever_it_is_said(cluster: Cluster) -> None:
    cluster.gateway.open = False
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.status.get("weightProved") == 20)
    cluster.traffic.down = "connection refused"
    cluster.command("abort")
    cluster.run(keeper, 55)
    assert (cluster.phase, cluster.replicas("1.1")) == ("RollingBack", 2)
    cluster.run(keeper, 20)
    assert (cluster.phase, cluster.replicas("1.1")) == ("RolledBack", 0)
    proved = cluster.condition("Proved")
    assert (proved["status"], proved["reason"]) == ("False", "Assumed")
    assert "assumed to be live, not proved: 100 % to 1.0" in proved["message"]
    assert cluster.status["weightProved"] == 20, "the last weight that was proved"
    told = [event for event in cluster.api.all("Event") if event["reason"] == "WeightAssumed"]
    assert told[-1]["type"] == "Warning"
    assert "the gateway is behind a wall" in told[-1]["message"]
    closed = next(line for line in cluster.status["history"] if line["phase"] == "RolledBack")
    assert closed["message"].startswith("it is assumed, and nothing proves, that all traffic is on 1.0 again")


def test_a_canary_is_called_reachable_after_a_request_that_reached_it(cluster: Cluster) -> None:
    cluster.gateway.unreached = "it was answered with 503"
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, 60)
    assert (cluster.phase, cluster.weight) == ("Rehearsing", 0)
    assert "did not reach it: it was answered with 503" in cluster.status["message"]
    cluster.gateway.unreached = ""
    cluster.run(keeper, 20, until=lambda: cluster.phase == "Progressing")
    said = next(line for line in cluster.status["history"] if line["reason"] == "rehearsed")
    assert said["message"] == "the canary can be reached by its version header"
    assert set(cluster.gateway.pinned) == {"1.1"}


def test_without_metrics_it_holds_and_never_fails(cluster: Cluster) -> None:
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.status.get("weightProved") == 20)
    cluster.traffic.down = "connection refused"
    cluster.run(keeper, 60)
    assert (cluster.phase, cluster.weight) == ("Progressing", 20)
    assert cluster.condition("Degraded")["status"] == "True"
    assert "metrics system down" in cluster.status["message"]
    cluster.traffic.down = ""
    cluster.run(keeper, 120)
    assert cluster.phase == "Promoted"


def test_a_missing_deployment_is_said_and_the_rollout_begins_when_it_is_there(cluster: Cluster) -> None:
    cluster.apply(canary="2.0")
    keeper = cluster.keeper()
    cluster.run(keeper, 15)
    ready = cluster.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "DeploymentMissing")
    assert "no Deployment with the labels app=bert, version=2.0" in ready["message"]
    assert cluster.reasons().count("SpecRefused") == 1
    assert cluster.split.shares == (("1.0", 100),)
    cluster.api.create(deployment("bert-2.0", replicas=0))
    cluster.run(keeper, 30, until=lambda: cluster.phase == "Warming")
    assert cluster.replicas("2.0") == 2


def test_a_canary_that_never_gets_ready_fails_without_any_traffic(cluster: Cluster) -> None:
    cluster.stuck.add("bert-1.1")
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, profile("fast").ready_s + 30)
    assert cluster.phase == "Failed"
    assert cluster.split.shares == (("1.0", 100),)
    assert cluster.replicas("1.1") == 0


def test_what_is_idle_is_not_written_and_a_new_controller_starts_nothing(cluster: Cluster) -> None:
    cluster.apply()
    cluster.run(cluster.keeper(), 150)
    assert cluster.phase == "Promoted"
    before = len(cluster.api.writes("bertmesh-controller"))
    cluster.run(cluster.keeper(), 60)
    assert len(cluster.api.writes("bertmesh-controller")) == before


def test_a_hand_edited_weight_is_put_back_and_reported_with_the_name_of_the_editor(cluster: Cluster) -> None:
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.status.get("weightProved") == 20)
    route = cluster.api.get("VirtualService", "bert")["spec"]["http"]
    for rule in route:
        if rule.get("name") == "split":
            for target, weight in zip(rule["route"], (10, 90), strict=True):
                target["weight"] = weight
    cluster.api.edit("VirtualService", "bert", {"spec": {"http": route}}, manager="kubectl-edit")
    assert cluster.weight == 90
    cluster.run(keeper, 2)
    assert cluster.weight == 20
    assert "RoutePutBack" in cluster.reasons()
    told = next(event for event in cluster.api.all("Event") if event["reason"] == "RouteChangedByOther")
    assert "kubectl-edit" in told["message"]


def test_a_route_of_somebody_else_is_left_alone_until_it_may_be_adopted(cluster: Cluster) -> None:
    theirs = {"http": [{"route": [{"destination": {"host": "bert"}}]}], "hosts": ["bert"]}
    head = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}
    metadata = {"name": "bert", "namespace": "default"}
    cluster.api.create({**head, "metadata": metadata, "spec": theirs}, manager="helm")
    cluster.apply(canary=None)
    keeper = cluster.keeper()
    cluster.run(keeper, 5)
    assert cluster.api.get("VirtualService", "bert")["spec"] == theirs
    assert "belongs to helm" in cluster.condition("Ready")["message"]
    assert cluster.condition("Degraded")["status"] == "True"
    cluster.api.edit("ModelRollout", "bert", {"spec": {"routing": {"adopt": True}}})
    cluster.run(keeper, 10)
    assert cluster.split.shares == (("1.0", 100),)
    assert cluster.condition("Ready")["status"] == "True"


def test_the_replicas_of_an_autoscaled_canary_are_its_autoscalers(cluster: Cluster) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "bert-1.1"}
    cluster.api.create(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "bert-1.1", "namespace": "default"},
            "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 9},
        }
    )
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.phase == "Progressing")
    assert cluster.replicas("1.1") == 3  # an autoscaler sleeps at 0: it is woken with its minimum
    cluster.api.edit("Deployment", "bert-1.1", {"spec": {"replicas": 7}}, manager="hpa")
    cluster.run(keeper, 10)
    assert cluster.replicas("1.1") == 7
    cluster.command("abort")
    cluster.run(keeper, 20)
    assert cluster.replicas("1.1") == 0


def test_a_lost_status_is_made_up_for_by_what_the_route_says(cluster: Cluster) -> None:
    cluster.apply()
    cluster.run(cluster.keeper(), 150)
    assert cluster.split.shares == (("1.1", 100),)
    cluster.api.edit_status("ModelRollout", "bert", dict.fromkeys(cluster.status))
    cluster.run(cluster.keeper(), 20)
    assert cluster.split.shares == (("1.1", 100),)
    assert cluster.status["stable"] == "1.1"
    assert cluster.reasons().count("RolloutStarted") == 1


def test_a_state_that_cannot_be_read_is_said_and_the_traffic_left_as_it_is(cluster: Cluster) -> None:
    cluster.apply()
    cluster.run(cluster.keeper(), until=lambda: cluster.status.get("weightProved") == 20)
    cluster.api.edit_status("ModelRollout", "bert", {"judge": {"state": "nonsense"}})
    cluster.run(cluster.keeper(), 30)
    assert cluster.weight == 20
    ready = cluster.condition("Ready")
    assert (ready["reason"], ready["status"]) == ("StateCorrupt", "False")


def test_a_state_beyond_what_an_api_server_takes_is_refused(cluster: Cluster) -> None:
    cluster.apply()
    cluster.run(cluster.keeper(), until=lambda: cluster.phase == "Progressing")
    state, notes = cluster.judge
    noise = {f"{hashlib.sha256(str(k).encode()).hexdigest()}": Known(k / 7, k / 3) for k in range(20_000)}
    with pytest.raises(StateTooLarge, match="too many pods"):
        encode(replace(state, cursor=replace(state.cursor, values=noise)), notes)

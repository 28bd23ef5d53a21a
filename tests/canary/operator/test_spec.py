"""What an edited spec and people's commands do to a rollout."""

import pytest

from tests.canary.operator.clusters import FAST, Cluster
from tests.support.kubeapi.samples import config_map


def underway(cluster: Cluster) -> None:
    cluster.apply()
    cluster.run(cluster.keeper(), until=lambda: cluster.status.get("weightProved") == 20)


def test_a_new_canary_in_mid_rollout_sends_the_traffic_back_and_begins_from_step_zero(
    cluster: Cluster,
) -> None:
    underway(cluster)
    keeper = cluster.keeper()
    cluster.api.edit("ModelRollout", "bert", {"spec": {"canary": "1.2"}})
    seen = set()
    for _ in range(200):
        cluster.run(keeper, 1)
        seen.add(cluster.split.shares)
        if cluster.phase == "Promoted":
            break
    cluster.run(keeper, 10)
    assert cluster.split.shares == (("1.2", 100),)
    assert (("1.0", 100),) in seen
    assert cluster.status["previous"] == "1.0"
    assert [cluster.replicas(version) for version in ("1.0", "1.1", "1.2")] == [0, 0, 2]
    assert cluster.status["observedGeneration"] == 2


def test_taking_the_canary_out_of_the_spec_sends_the_traffic_back(cluster: Cluster) -> None:
    underway(cluster)
    cluster.api.edit("ModelRollout", "bert", {"spec": {"canary": None}})
    cluster.run(cluster.keeper(), 30)
    assert (cluster.phase, cluster.split.shares) == ("RolledBack", (("1.0", 100),))
    cluster.api.edit("ModelRollout", "bert", {"spec": {"canary": "1.1"}})
    cluster.run(cluster.keeper(), 10)
    assert cluster.phase not in {"RolledBack", "Failed"}
    assert cluster.reasons().count("RolloutStarted") == 2


def test_an_edited_policy_goes_on_at_the_same_weight_with_the_same_evidence(cluster: Cluster) -> None:
    underway(cluster)
    cluster.run(cluster.keeper(), 5)
    before, _ = cluster.judge
    steps = [{"weight": 5, "soak": "10s"}, {"weight": 60, "soak": "5s"}]
    cluster.api.edit("ModelRollout", "bert", {"spec": {"policy": {**FAST, "steps": steps}}})
    cluster.run(cluster.keeper(), 1)
    after, _ = cluster.judge
    assert (cluster.weight, after.rollout.id) == (20, before.rollout.id)
    assert after.ledger.ticks >= before.ledger.ticks > 0
    assert [step.weight for step in after.rollout.profile.steps] == [20, 60]
    assert cluster.reasons().count("PolicyEdited") == 1
    cluster.run(cluster.keeper(), 200)
    assert cluster.phase == "Promoted"


def test_suspend_stands_still_and_goes_on_where_it_was(cluster: Cluster) -> None:
    underway(cluster)
    keeper = cluster.keeper()
    cluster.api.edit("ModelRollout", "bert", {"spec": {"suspend": True}})
    cluster.run(keeper, 60)
    assert (cluster.phase, cluster.weight) == ("Paused", 20)
    cluster.api.edit("ModelRollout", "bert", {"spec": {"suspend": False}})
    cluster.run(cluster.keeper(), 100)
    assert cluster.phase == "Promoted"


def test_a_suspended_resource_begins_nothing(cluster: Cluster) -> None:
    cluster.apply(suspend=True)
    cluster.run(cluster.keeper(), 20)
    assert "RolloutStarted" not in cluster.reasons()
    assert cluster.split.shares == (("1.0", 100),)


def test_the_end_of_a_suspension_does_not_open_a_manual_gate(cluster: Cluster) -> None:
    cluster.apply(gates={"manual": ["BeforeTraffic"]})
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.phase == "Paused")
    for suspend in (True, False):
        cluster.api.edit("ModelRollout", "bert", {"spec": {"suspend": suspend}})
        cluster.run(keeper, 10)
    assert (cluster.phase, cluster.weight) == ("Paused", 0)
    cluster.command("resume id=7 by=ann")
    cluster.run(keeper, 100)
    assert cluster.phase == "Promoted"


@pytest.mark.parametrize(("verb", "phase"), [("promote", "Baking"), ("abort", "RolledBack")])
def test_a_command_is_obeyed_once_answered_in_status_and_taken_away(
    cluster: Cluster, verb: str, phase: str
) -> None:
    underway(cluster)
    cluster.command(f"{verb} id=42 by=ann")
    cluster.run(cluster.keeper(), 12, until=lambda: cluster.phase == phase)
    assert cluster.phase == phase
    said = cluster.condition("Commanded")
    assert (said["status"], said["reason"]) == ("True", "Obeyed")
    assert said["message"].startswith("42: ann")
    annotations = cluster.api.get("ModelRollout", "bert")["metadata"].get("annotations", {})
    assert "bertmesh.dev/command" not in annotations
    assert "ann" in {line["by"] for line in cluster.status["history"]}


def test_a_command_that_fits_nothing_is_refused_in_words(cluster: Cluster) -> None:
    cluster.apply(canary=None)
    keeper = cluster.keeper()
    cluster.run(keeper, 5)
    cluster.command("promote")
    cluster.run(keeper, 6)
    assert (cluster.condition("Commanded")["reason"]) == "Refused"
    assert "nothing to promote" in cluster.condition("Commanded")["message"]
    cluster.command("dance")
    cluster.run(keeper, 6)
    told = [event["message"] for event in cluster.api.all("Event") if event["reason"] == "CommandRefused"]
    assert "write one of start, promote, abort, pause, resume" in told[0]


def test_a_rolled_back_canary_is_tried_again_only_when_somebody_says_start(cluster: Cluster) -> None:
    underway(cluster)
    cluster.command("abort")
    keeper = cluster.keeper()
    cluster.run(keeper, 40)
    assert cluster.phase == "RolledBack"
    cluster.command("start by=ann")
    cluster.run(keeper, 150)
    assert cluster.phase == "Promoted"


def test_a_stable_version_that_nothing_proves_is_not_obeyed(cluster: Cluster) -> None:
    cluster.apply()
    cluster.run(cluster.keeper(), 150)
    cluster.api.edit("ModelRollout", "bert", {"spec": {"stable": "1.2"}})
    cluster.run(cluster.keeper(), 10)
    assert cluster.split.shares == (("1.1", 100),)
    assert cluster.condition("Ready")["reason"] == "StableNotObeyed"
    cluster.api.edit("ModelRollout", "bert", {"spec": {"stable": "1.1", "canary": "1.2"}})
    cluster.run(cluster.keeper(), 150)
    assert cluster.split.shares == (("1.2", 100),)


def test_a_spec_that_cannot_be_done_is_refused_with_a_sentence_and_the_rollout_goes_on(
    cluster: Cluster,
) -> None:
    underway(cluster)
    refused = {"gates": {"golden": {"configMap": "golden"}}, "routing": {"headerPin": False}}
    cluster.api.edit("ModelRollout", "bert", {"spec": refused})
    cluster.run(cluster.keeper(), 5)
    ready = cluster.condition("Ready")
    assert (ready["reason"], ready["observedGeneration"]) == ("NotSupported", 2)
    assert cluster.weight == 20
    cluster.run(cluster.keeper(), 150)
    assert cluster.phase == "Promoted"


def test_copies_prove_a_canary_before_its_first_request(cluster: Cluster) -> None:
    cluster.apply(shadow={"percent": 40, "duration": "20s", "duringPercent": 10})
    cluster.run(cluster.keeper(), 60, until=lambda: cluster.phase == "Rehearsing")
    cluster.run(cluster.keeper(), 5)
    assert (cluster.split.mirror, cluster.weight) == (40, 0)
    cluster.run(cluster.keeper(), 90, until=lambda: cluster.weight > 0)
    assert (cluster.split.mirror, cluster.weight) == (10, 20)
    cluster.run(cluster.keeper(), 150)
    assert cluster.phase == "Promoted"


def test_a_canary_whose_copies_are_answered_otherwise_gets_no_request(cluster: Cluster) -> None:
    cluster.traffic.differs["1.1"] = 0.9
    cluster.apply(shadow={"percent": 40})
    cluster.run(cluster.keeper(), 120)
    assert cluster.phase == "RolledBack"
    assert cluster.split.shares == (("1.0", 100),)
    assert "shadow: canary 90" in str(cluster.status["history"])


def test_copies_can_be_asked_for_while_a_rollout_is_under_way(cluster: Cluster) -> None:
    underway(cluster)
    cluster.api.edit("ModelRollout", "bert", {"spec": {"shadow": {"duringPercent": 10}}})
    cluster.run(cluster.keeper(), 5)
    assert (cluster.split.mirror, cluster.weight) == (10, 20)
    cluster.run(cluster.keeper(), 200)
    assert cluster.phase == "Promoted"


def golden(cluster: Cluster, count: int = 40) -> None:
    line = '{"text": "中国的首都是北[MASK]。", "answers": ["京"]}'
    cluster.api.create(config_map({"golden.jsonl": "\n".join([line] * count)}, "golden"))
    cluster.apply(gates={"golden": {"configMap": "golden"}})


def test_a_canary_that_fails_the_golden_set_gets_no_request(cluster: Cluster) -> None:
    cluster.candidates.wrong.add("1.1")
    golden(cluster)
    cluster.run(cluster.keeper(), 60)
    assert cluster.phase == "Failed"
    assert "golden set: canary 0 of 40 right, stable 40" in cluster.status["message"]
    assert cluster.split.shares == (("1.0", 100),)


def test_a_canary_that_passes_the_golden_set_goes_on(cluster: Cluster) -> None:
    golden(cluster)
    cluster.run(cluster.keeper(), 150)
    assert cluster.phase == "Promoted"
    assert set(cluster.candidates.asked) == {"1.0", "1.1"}


def test_a_golden_set_that_is_not_there_fails_the_rollout_in_words(cluster: Cluster) -> None:
    cluster.apply(gates={"golden": {"configMap": "nowhere"}})
    cluster.run(cluster.keeper(), 60)
    assert cluster.phase == "Failed"
    assert "ConfigMap default/nowhere" in cluster.status["message"]


def test_a_golden_set_without_the_pin_header_is_refused(cluster: Cluster) -> None:
    cluster.apply(gates={"golden": {"configMap": "golden"}}, routing={"headerPin": False})
    cluster.run(cluster.keeper(), 10)
    assert cluster.condition("Ready")["reason"] == "NotSupported"
    assert "routing.headerPin" in cluster.status["message"]
    assert not cluster.api.has("VirtualService", "bert")

"""The way back on a cluster: a person's order, not an edit of the spec."""

import pytest

from canary.controller.gates import Reply
from canary.operator.keeper import RolloutKeeper
from tests.canary.operator.clusters import FAST, Cluster
from tests.support.kubeapi.samples import rollout


def promoted(cluster: Cluster, **spec: object) -> RolloutKeeper:
    """Promote 1.1, and take the keeper that did it."""
    cluster.apply(**spec)
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.phase == "Promoted")
    cluster.run(keeper, 10)
    assert (cluster.status["stable"], cluster.replicas("1.0")) == ("1.1", 0)
    return keeper


@pytest.mark.parametrize("how", ["", " now=1"])
def test_an_undo_brings_the_former_version_back_and_the_spec_does_not_bring_the_other_one_again(
    cluster: Cluster, how: str
) -> None:
    keeper = promoted(cluster)
    cluster.command(f"undo id=u1 by=ann%20lee why=too%20slow{how}")
    cluster.run(keeper, until=lambda: cluster.status["stable"] == "1.0")
    cluster.run(keeper, 30)
    assert cluster.split.shares == (("1.0", 100),)
    assert (cluster.status["previous"], cluster.phase) == ("1.1", "Promoted")
    assert (cluster.replicas("1.0"), cluster.replicas("1.1")) == (2, 0)
    begun = next(line for line in cluster.status["history"] if line["reason"] == "by_hand:undo")
    assert begun["by"] == "ann lee"
    assert "undo (too slow): 1.1 -> 1.0" in begun["message"]
    assert cluster.condition("Commanded")["message"].startswith("u1: ann lee: undo")
    assert cluster.reasons().count("RolloutStarted") == 2
    cluster.run(cluster.keeper(), 30)  # a controller that starts later does not try 1.1 again either
    assert cluster.reasons().count("RolloutStarted") == 2


def test_after_an_undo_an_edited_spec_is_obeyed_again(cluster: Cluster) -> None:
    keeper = promoted(cluster)
    cluster.command("undo now=1")
    cluster.run(keeper, until=lambda: cluster.status["stable"] == "1.0")
    cluster.run(keeper, 5)
    cluster.api.edit("ModelRollout", "bert", {"spec": {"canary": "1.2"}})
    cluster.run(keeper, until=lambda: cluster.status["stable"] == "1.2")
    assert cluster.status["previous"] == "1.0"


def test_an_undone_version_is_tried_again_when_a_person_says_so(cluster: Cluster) -> None:
    keeper = promoted(cluster)
    cluster.command("undo now=1")
    cluster.run(keeper, until=lambda: cluster.status["stable"] == "1.0")
    cluster.run(keeper, 5)
    cluster.command("start id=again by=ann")
    cluster.run(keeper, until=lambda: cluster.status["stable"] == "1.1")
    assert cluster.reasons().count("RolloutStarted") == 3


def test_an_undo_asks_no_gate_and_minds_no_suspension(cluster: Cluster) -> None:
    keeper = promoted(cluster)
    cluster.api.edit(
        "ModelRollout",
        "bert",
        {"spec": {"suspend": True, "gates": {"manual": ["BeforeTraffic", "BeforeStep"]}}},
    )
    cluster.run(keeper, 2)
    cluster.command("undo")
    cluster.run(keeper, until=lambda: cluster.status["stable"] == "1.0")
    assert "RolloutPaused" not in cluster.reasons()


def test_with_nothing_to_undo_the_order_is_refused_in_a_sentence(cluster: Cluster) -> None:
    cluster.apply(canary=None)
    keeper = cluster.keeper()
    cluster.run(keeper, 5)
    cluster.command("undo id=u1")
    cluster.run(keeper, 8)
    assert cluster.condition("Commanded")["reason"] == "Refused"
    assert "nothing to undo: '1.0' is stable" in cluster.condition("Commanded")["message"]


def test_an_order_that_makes_no_sense_is_answered_too(cluster: Cluster) -> None:
    cluster.api.create(rollout(policy=FAST, canary=None))
    keeper = cluster.keeper()
    cluster.run(keeper, 5)
    cluster.command("start id=s1 by=ann")
    cluster.run(keeper, 8)
    answer = cluster.judge[0].answer_to("s1")
    assert not answer.ok
    assert "nothing can begin" in answer.message
    assert "bertmesh.dev/command" not in cluster.api.get("ModelRollout", "bert")["metadata"].get(
        "annotations", {}
    )


@pytest.mark.parametrize("gate", ["manual", "webhook"])
def test_an_abort_works_while_a_gate_waits(cluster: Cluster, gate: str) -> None:
    cluster.webhooks.reply = Reply.SILENCE
    asked = {"name": "review", "url": "http://gate/", "when": "BeforeStep"}
    gates = {"manual": ["BeforeStep"]} if gate == "manual" else {"webhooks": [asked]}
    cluster.apply(gates=gates)
    keeper = cluster.keeper()
    waits = {"manual": "Paused", "webhook": "Rehearsing"}[gate]
    cluster.run(keeper, until=lambda: cluster.phase == waits)
    cluster.run(keeper, 3)
    cluster.command("abort id=a1 by=ann")
    cluster.run(keeper, 5)
    assert cluster.phase == "RolledBack"
    assert cluster.judge[0].answer_to("a1").ok

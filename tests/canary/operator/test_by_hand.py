"""Orders that differ from the spec: what holds of them after refusals, losses and edits."""

import pytest

from canary.cluster.store import put_status
from canary.operator.keeper import RolloutKeeper
from tests.canary.operator.clusters import FAST, Cluster

SLOW = {**FAST, "steps": [{"weight": 20, "soak": "10m"}, {"weight": 50, "soak": "10m"}], "fallback": "20m"}


def begun(cluster: Cluster, order: str, **spec: object) -> RolloutKeeper:
    """Apply a spec without a canary, and give an order."""
    cluster.apply(canary=None, **spec)
    keeper = cluster.keeper()
    cluster.run(keeper, 10)
    give(cluster, keeper, order, 5)
    return keeper


def give(cluster: Cluster, keeper: RolloutKeeper, order: str, seconds: float) -> None:
    cluster.command(order)
    keeper.wake()
    cluster.run(keeper, seconds)


def starters(cluster: Cluster) -> list[str]:
    return [entry.who for entry in cluster.judge[0].history if entry.action.value == "start"]


@pytest.mark.parametrize("loss", ["status", "resource"])
def test_traffic_stays_on_what_an_order_promoted_though_nobody_remembers(cluster: Cluster, loss: str) -> None:
    keeper = begun(cluster, "start canary=1.1 id=s by=ann", policy=FAST)
    cluster.run(keeper, 200, until=lambda: cluster.status.get("stable") == "1.1")
    cluster.run(keeper, 20)
    if loss == "status":
        put_status(cluster.tools().api, cluster.api.get("ModelRollout", "bert"), {})
    else:
        cluster.api.edit("ModelRollout", "bert", {"metadata": {"finalizers": None}})
        cluster.api.delete("ModelRollout", "bert")
        cluster.apply(canary=None, policy=FAST)
    cluster.run(cluster.keeper(), 60)
    assert cluster.split.text == "1.1=100"
    assert (cluster.replicas("1.0"), cluster.replicas("1.1")) == (0, 2)
    assert (
        "1.1 is stable and takes the traffic; spec.stable 1.0 is not obeyed"
        in cluster.condition("Ready")["message"]
    )


def test_a_start_that_names_no_canary_begins_that_of_the_last_order_again(cluster: Cluster) -> None:
    cluster.traffic.bad["1.1"] = 0.3
    keeper = begun(cluster, "start canary=1.1 id=s by=ann", policy=FAST)
    cluster.run(keeper, 100, until=lambda: cluster.phase == "RolledBack")
    cluster.run(keeper, 20)
    give(cluster, keeper, "start steps=10 id=t by=ben", 8)
    assert cluster.judge[0].answer_to("t").ok
    assert starters(cluster) == ["ann", "ben"]


def test_a_start_that_is_refused_begins_nothing(cluster: Cluster) -> None:
    keeper = begun(cluster, "start canary=1.1 id=s by=ann", policy=FAST)
    cluster.run(keeper, 200, until=lambda: cluster.status.get("stable") == "1.1")
    cluster.run(keeper, 20)
    give(cluster, keeper, "start canary=1.2 id=t by=ann", 5)
    give(cluster, keeper, "abort id=a by=ann", 60)
    assert cluster.phase == "RolledBack"
    give(cluster, keeper, "start canary=1.1 id=u by=ann", 60)
    assert not cluster.judge[0].answer_to("u").ok
    assert starters(cluster) == ["ann", "ann"]
    assert cluster.split.text == "1.1=100"


def test_an_order_holds_although_its_answer_is_long_forgotten(cluster: Cluster) -> None:
    keeper = begun(cluster, "start canary=1.1 id=s by=ann", policy=SLOW)
    cluster.run(keeper, 20)
    for number in range(60):
        give(cluster, keeper, f"undo id=u{number} by=bot", 2)
    assert cluster.judge[0].answer_to("s") is None
    assert cluster.phase == "Progressing"
    assert set(cluster.judge[1].by_hand) == {"stable", "canary"}


def test_an_edit_of_one_field_of_the_policy_leaves_what_was_ordered_of_another(cluster: Cluster) -> None:
    keeper = begun(cluster, "start canary=1.1 steps=5,30 id=s by=ann", policy=SLOW)
    cluster.run(keeper, 20)
    cluster.api.edit("ModelRollout", "bert", {"spec": {"policy": {"bake": "7s"}}})
    keeper.wake()
    cluster.run(keeper, 5)
    profile = cluster.judge[0].rollout.profile
    assert ([step.weight for step in profile.steps], profile.bake_s) == ([5, 30], 7.0)


def test_what_a_start_says_of_the_policy_ends_with_the_versions_that_it_was_for(cluster: Cluster) -> None:
    cluster.apply(canary="1.1", policy=SLOW)
    keeper = cluster.keeper()
    cluster.run(keeper, 10)
    give(cluster, keeper, "abort id=a by=ann", 30)
    give(cluster, keeper, "start steps=5,30 id=s by=ann", 10)
    give(cluster, keeper, "abort id=b by=ann", 30)
    cluster.api.edit("ModelRollout", "bert", {"spec": {"canary": "1.2"}})
    keeper.wake()
    cluster.run(keeper, 10)
    assert [step.weight for step in cluster.judge[0].rollout.profile.steps] == [20, 50]

"""One ModelRollout against an API server over HTTP, in a time of its own."""

from tests.canary.operator.clusters import Cluster


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

"""The operator is killed at its writes, the API says no or goes away, another writer is quicker."""

import pytest

from canary.operator.errors import Deposed
from canary.operator.fence import FencedApi
from canary.operator.keeper import RolloutKeeper
from mesh.cluster.api import ApiResponse
from tests.canary.fakes import Killed
from tests.canary.operator.clusters import Cluster, OpenFence
from tests.support.kubeapi import Fault


class Deadly(FencedApi):
    """An API that kills whoever uses it at every eighth write, before or after it."""

    writes = 0
    kills = 0

    def request(self, method: str, path: str, **rest: object) -> ApiResponse:
        if method == "GET":
            return super().request(method, path, **rest)  # type: ignore[arg-type] # handed on
        Deadly.writes += 1
        if Deadly.writes % 16 == 8:
            Deadly.kills += 1
            raise Killed
        answer = super().request(method, path, **rest)  # type: ignore[arg-type] # handed on
        if Deadly.writes % 16 == 0:
            Deadly.kills += 1
            raise Killed
        return answer


class Mortal:
    """An operator whose place another one takes when it is killed."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.new()

    def new(self) -> None:
        tools = self.cluster.tools()
        tools.api = Deadly(self.cluster.api.client(), OpenFence())
        self.keeper = RolloutKeeper(tools, "default", "bert")

    def attend(self) -> None:
        kills = Deadly.kills
        self.keeper.attend()  # it survives every Exception, so that only the count tells of a kill
        if Deadly.kills > kills:
            self.new()


@pytest.mark.parametrize("offset", [0, 5])
@pytest.mark.parametrize("bad", [0.0, 0.3])
def test_an_operator_killed_again_and_again_loses_no_evidence_and_jumps_no_weight(
    cluster: Cluster, bad: float, offset: int
) -> None:
    Deadly.writes, Deadly.kills = offset, 0
    cluster.traffic.bad["1.1"] = bad
    cluster.apply()
    operator = Mortal(cluster)
    weights, ticks = [0], 0
    for _ in range(120):
        if cluster.phase in {"Promoted", "RolledBack"}:
            break
        cluster.run(operator, 1)
        if cluster.api.has("VirtualService", "bert") and cluster.weight != weights[-1]:
            weights.append(cluster.weight)
        if "judge" in cluster.status:
            state = cluster.judge[0]
            assert state.rollouts <= 1
            if state.ledger is not None:
                assert state.ledger.ticks >= ticks
                ticks = state.ledger.ticks
    assert Deadly.kills >= 3
    assert weights[:3] == ([0, 20, 0] if bad else [0, 20, 100])
    assert cluster.phase == ("RolledBack" if bad else "Promoted")
    cluster.run(cluster.keeper(), 10)
    assert cluster.weight == 0  # after a promotion the canary is the stable, and nothing stands beside it
    assert len(weights) <= 4
    assert sorted(cluster.replicas(version) for version in ("1.0", "1.1")) == [0, 2]


def test_a_conflict_stores_nothing_and_the_pass_is_made_again(cluster: Cluster) -> None:
    cluster.apply()
    keeper = cluster.keeper()
    for _ in range(20):
        cluster.api.fail(Fault(code=409, method="PUT", path="/status"))
        cluster.run(keeper, 6)
        cluster.api.edit(
            "ModelRollout", "bert", {"metadata": {"labels": {"touched": str(cluster.clock.time)}}}
        )
    cluster.run(keeper, 60)
    assert cluster.phase == "Promoted"
    assert cluster.judge[0].rollouts == 1
    assert cluster.reasons().count("RolloutStarted") == 1


def test_an_api_that_is_away_changes_nothing(cluster: Cluster) -> None:
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.status.get("weightProved") == 20)
    before = cluster.reasons()
    cluster.api.fail(Fault(code=503, times=30))
    for _ in range(10):
        cluster.clock.time += 1
        keeper.attend()
    cluster.api.server.faults.clear()
    cluster.run(keeper, 3)
    assert "RoutePutBack" not in cluster.reasons()[len(before) :]
    cluster.run(keeper, 100)
    assert cluster.phase == "Promoted"


def test_a_deletion_in_mid_rollout_sends_all_traffic_home_first(cluster: Cluster) -> None:
    cluster.apply()
    keeper = cluster.keeper()
    cluster.run(keeper, until=lambda: cluster.status.get("weightProved") == 20)
    gone_at = None
    for second in range(30):
        cluster.clock.time += 1
        if keeper.leave(float(second)):
            gone_at = second
            break
        cluster.settle()
    assert gone_at is not None
    assert cluster.split.shares == (("1.0", 100),)
    assert cluster.replicas("1.1") == 0


def test_a_deposed_leader_writes_nothing(cluster: Cluster) -> None:
    class Lost:
        def holds(self, seconds: float) -> bool:
            return seconds < 0

    cluster.apply()
    keeper = cluster.keeper(fence=Lost())
    before = len(cluster.api.writes())
    cluster.run(keeper, 20)
    assert not keeper.leave(1000.0)
    assert len(cluster.api.writes()) == before
    with pytest.raises(Deposed, match="does not hold the Lease"):
        cluster.tools(Lost()).api.request("POST", "/api/v1/namespaces/default/events", body={})

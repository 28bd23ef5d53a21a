"""The election, in a time of its own."""

from dataclasses import dataclass

import pytest

from canary.operator.errors import Deposed
from canary.operator.fence import FencedApi
from canary.operator.lease import Elector
from mesh.cluster.api import ClusterApi
from tests.support.kubeapi import Fault, KubeApi


@dataclass
class Time:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def electors(api: KubeApi) -> tuple[Time, Elector, Elector]:
    time = Time()
    one, two = (Elector(ClusterApi(api.client()), "default", name, monotonic=time) for name in ("one", "two"))
    return time, one, two


def test_one_of_two_gets_the_lease_and_keeps_it_while_it_renews(api: KubeApi) -> None:
    time, one, two = electors(api)
    assert one.step()
    for _ in range(20):
        time.now += 2
        assert one.step()
        assert not two.step()
    spec = api.get("Lease", "bertmesh-controller")["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("one", 0)


def test_the_other_takes_over_only_after_the_whole_duration_without_a_renewal(api: KubeApi) -> None:
    time, one, two = electors(api)
    one.step()
    both = []
    for second in range(40):
        two.step()
        both.append((one.holds(0), two.holds(0)))
        time.now = 100.0 + second
    assert (True, True) not in both
    assert both[-1] == (False, True)
    assert not one.step()
    assert api.get("Lease", "bertmesh-controller")["spec"]["leaseTransitions"] == 1


def test_a_leader_that_hears_nothing_of_the_api_deposes_itself_in_time_for_its_writes(api: KubeApi) -> None:
    time, one, _ = electors(api)
    one.step()
    api.fail(Fault(code=503, times=100))
    time.now += 9.0
    assert one.step()  # still held: 6 s are left
    assert not one.holds(7.0)  # but no write may last that long
    fenced = FencedApi(api.client(), one, timeout_s=7.0)
    with pytest.raises(Deposed):
        fenced.request("PATCH", "/api/v1/namespaces/default/services/bert", body={})
    time.now += 7.0
    assert not one.step()


def test_a_lease_that_was_let_go_is_taken_at_once(api: KubeApi) -> None:
    _, one, two = electors(api)
    one.step()
    one.release()
    assert not one.holds(0)
    assert two.step()


def test_of_two_that_write_at_once_one_gets_it(api: KubeApi) -> None:
    time, one, two = electors(api)
    one.step()
    time.now += 60
    two._seen, two._seen_at = ("one", api.get("Lease", "bertmesh-controller")["spec"]["renewTime"]), 0.0
    api.fail(Fault(code=409, method="PUT", path="leases"))
    assert not two.step()
    assert not two.holds(0)
    assert two.step()

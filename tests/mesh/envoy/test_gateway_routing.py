"""Where a real Envoy sends requests."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from scipy.stats import binomtest, chisquare

from mesh.model import Split, Weights
from tests.support.gateway import Gateway, gateway
from tests.support.pods import FakePod, pods
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

# A fair split fails this once in a million runs.
SURELY_UNFAIR = 1e-6


@dataclass(frozen=True)
class Mesh:
    gateway: Gateway
    stable: FakePod
    canary: FakePod


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    with pods("1.0", "1.1-reviews") as (stable, canary):
        members = {"1.0": [stable], "1.1-reviews": [canary], "y": []}
        folder = tmp_path_factory.mktemp("routing")
        with gateway(folder, members, Split("1.0")) as running:
            yield Mesh(running, stable, canary)


@pytest.fixture(autouse=True)
def afresh(mesh: Mesh) -> None:
    mesh.gateway.router.apply(Split("1.0", "1.1-reviews"))
    mesh.stable.seen.clear()
    mesh.canary.seen.clear()


def answers(gateway: Gateway, count: int, **headers: str) -> Counter[str | None]:
    with ThreadPoolExecutor(4) as clients:
        calls = clients.map(lambda _: gateway.call(**headers), range(count))
        return Counter(answer.version for answer in calls if answer.status == 200)


def test_10000_requests_are_split_as_the_weights_say(mesh: Mesh) -> None:
    mesh.gateway.router.apply(Split("1.0", "1.1-reviews", Weights(10)))
    seen = answers(mesh.gateway, 10_000)
    assert seen.total() == 10_000
    fit = chisquare([seen["1.0"], seen["1.1-reviews"]], [9_000, 1_000])
    assert fit.pvalue > SURELY_UNFAIR


def test_at_weight_0_nothing_and_at_100_everything_goes_to_the_canary(mesh: Mesh) -> None:
    assert answers(mesh.gateway, 200) == {"1.0": 200}
    mesh.gateway.router.apply(Split("1.0", "1.1-reviews", Weights(100)))
    assert answers(mesh.gateway, 200) == {"1.1-reviews": 200}


@pytest.mark.parametrize("weight", [0, 50, 100])
def test_a_pinned_request_reaches_its_version_at_any_weight(mesh: Mesh, weight: int) -> None:
    mesh.gateway.router.apply(Split("1.0", "1.1-reviews", Weights(weight)))
    for version in ("1.0", "1.1-reviews"):
        assert answers(mesh.gateway, 40, x_model_version=version) == {version: 40}


@pytest.mark.parametrize("pin", ["2.0", "1.0 ", "1.0,1.1-reviews", "", '"\\x', "%REQ(host)%"])
def test_a_pin_to_an_unknown_version_is_404_and_names_the_versions_that_exist(mesh: Mesh, pin: str) -> None:
    answer = mesh.gateway.call(x_model_version=pin)
    if pin.strip() == "1.0":
        assert answer.version == "1.0"  # blanks around a header's value do not belong to it
        return
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == 404
    assert answer.json["versions"] == ["1.0", "1.1-reviews", "y"]
    assert pin in answer.json["detail"]
    assert "1.0, 1.1-reviews, y" in answer.json["detail"]


def test_a_version_whose_name_looks_like_a_truth_value_is_a_version(mesh: Mesh) -> None:
    answer = mesh.gateway.call(x_model_version="y")
    assert answer.status == 503
    assert answer.json["detail"] == "no pod of version y is ready: try again"


def test_the_pod_learns_which_version_was_chosen_whatever_the_client_says(mesh: Mesh) -> None:
    mesh.gateway.call(x_bertmesh_route="1.1-reviews")
    mesh.gateway.call(x_bertmesh_route="1.0", x_model_version="1.1-reviews")
    assert [request["x-bertmesh-route"] for request in mesh.stable.seen] == ["1.0"]
    assert [request["x-bertmesh-route"] for request in mesh.canary.seen] == ["1.1-reviews"]


def test_a_mirrored_copy_reaches_the_canary_under_the_stables_name_and_answers_nobody(mesh: Mesh) -> None:
    mesh.gateway.router.apply(Split("1.0", "1.1-reviews", mirror=100))
    assert answers(mesh.gateway, 20) == {"1.0": 20}
    wait_until(lambda: len(mesh.canary.seen) == 20, "20 copies at the canary")
    assert {request["x-bertmesh-route"] for request in mesh.canary.seen} == {"1.0"}
    assert {request["host"] for request in mesh.canary.seen} == {
        request["host"] for request in mesh.stable.seen
    }


def under_way(gateway: Gateway) -> float:
    """Return how many requests and copies Envoy still has to send, or to hear of."""
    names = ("envoy_cluster_upstream_rq_active{", "envoy_cluster_upstream_rq_pending_active{")
    lines = [line for line in gateway.metrics().splitlines() if line.startswith(names)]
    assert lines
    return sum(float(line.split()[-1]) for line in lines)


@pytest.mark.parametrize(("weight", "mirror"), [(50, 100), (95, 100), (20, 30)])
def test_beside_a_weight_only_requests_of_the_stable_are_copied(mesh: Mesh, weight: int, mirror: int) -> None:
    mesh.gateway.router.apply(Split("1.0", "1.1-reviews", Weights(weight), mirror))
    sent = answers(mesh.gateway, 1000)
    wait_until(lambda: under_way(mesh.gateway) == 0, "all copies have come")
    own = [request for request in mesh.canary.seen if request["x-bertmesh-route"] == "1.1-reviews"]
    copies = [request for request in mesh.canary.seen if request["x-bertmesh-route"] == "1.0"]
    assert len(own) == sent["1.1-reviews"] == len({request["x-request-id"] for request in own})
    assert {request["x-request-id"] for request in copies} <= {
        request["x-request-id"] for request in mesh.stable.seen
    }
    if mirror == 100:
        assert len(copies) == sent["1.0"]
    assert binomtest(len(copies), sent["1.0"], mirror / 100).pvalue > SURELY_UNFAIR
    assert {request.get("x-bertmesh-shadow") for request in mesh.stable.seen} == {"1.1-reviews"}
    assert {request.get("x-bertmesh-shadow") for request in own} == {None}


def test_no_client_can_make_a_pod_believe_that_its_request_is_copied(mesh: Mesh) -> None:
    mesh.gateway.call(x_bertmesh_shadow="1.1-reviews")
    mesh.gateway.call(x_bertmesh_shadow="1.1-reviews", x_model_version="1.1-reviews")
    assert [request.get("x-bertmesh-shadow") for request in mesh.stable.seen + mesh.canary.seen] == [None] * 2


def test_a_slow_or_failing_canary_does_not_touch_the_requests_it_shadows(mesh: Mesh) -> None:
    mesh.gateway.router.apply(Split("1.0", "1.1-reviews", mirror=100))
    mesh.canary.does.status = 500
    try:
        assert answers(mesh.gateway, 20) == {"1.0": 20}
    finally:
        mesh.canary.does.status = 200


@pytest.mark.parametrize(
    "path", ["/metrics", "/readyz", "/livez", "//metrics", "/x/../metrics", "/%6detrics"]
)
def test_probes_and_metrics_of_pods_are_not_served_to_the_outside(mesh: Mesh, path: str) -> None:
    answer = mesh.gateway.call(path, method="GET")
    assert answer.status == 404
    assert "answered by the pods themselves" in answer.json["detail"]
    assert mesh.stable.seen == []

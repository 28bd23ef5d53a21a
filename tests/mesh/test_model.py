"""Values that cannot be routed to cannot be made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import InvalidMesh
from mesh.model import Split, Version, Weights, check_version_name, local_mesh
from mesh.policy import ConnectionPool, OutlierDetection, Policy, Retries
from mesh.shadow import MILLION, copied, mirror_of, parts


@given(st.integers(0, 100))
def test_the_two_weights_sum_to_100(canary: int) -> None:
    assert Weights(canary).canary + Weights(canary).stable == 100
    assert sum(share for _, share in Split("1.0", "1.1", Weights(canary)).shares) == 100


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_weight_is_a_percentage(weight: int) -> None:
    with pytest.raises(InvalidMesh, match=f"0 to 100, got {weight}"):
        Weights(weight)


@pytest.mark.parametrize(
    "name", ["", "1.0 ", "1_0", "V1", "-1", "1.", "a..b", "a.-b", "中文", "a/b", "a" * 59]
)
def test_a_version_name_that_kubernetes_refuses_is_refused(name: str) -> None:
    with pytest.raises(InvalidMesh, match="cannot be a Kubernetes name"):
        check_version_name(name)
    with pytest.raises(InvalidMesh):
        Version(name)
    with pytest.raises(InvalidMesh):
        Split(name)


@pytest.mark.parametrize("name", ["1", "1.0", "1.1-reviews", "a" * 58, "20261121.3-zh"])
def test_a_usual_version_name_is_taken(name: str) -> None:
    assert check_version_name(name) == name


def test_a_weight_needs_a_canary() -> None:
    with pytest.raises(InvalidMesh, match="need a canary"):
        Split("1.0", None, Weights(5))
    with pytest.raises(InvalidMesh, match="name two versions"):
        Split("1.0", "1.0")


def test_only_requests_of_the_stable_are_copied() -> None:
    shadow = Split("1.0", "1.1", mirror=30)
    assert shadow.shadowed == "1.1"
    assert shadow.at(5) == Split("1.0", "1.1", Weights(5), mirror=30)
    assert copied(shadow) == 300_000
    assert copied(shadow.at(50)) == 150_000
    assert Split("1.0", "1.1").shadowed is None
    with pytest.raises(InvalidMesh, match="leaves it none"):
        Split("1.0", "1.1", Weights(100), mirror=30)
    with pytest.raises(InvalidMesh, match="0 to 100, got 101"):
        Split("1.0", "1.1", mirror=101)


@given(st.integers(0, 99), st.integers(1, 100))
def test_what_is_copied_fits_into_the_stables_share_and_can_be_read_back(weight: int, mirror: int) -> None:
    split = Split("1.0", "1.1", Weights(weight), mirror)
    (_, stable), (_, canary) = parts(split)
    assert stable + canary == MILLION
    assert 0 < copied(split) <= stable
    assert mirror_of(copied(split), split.weights.stable) == mirror


def test_a_split_names_versions_that_exist() -> None:
    with pytest.raises(InvalidMesh, match=r"names version 2\.0; the versions that exist are 1\.0, 1\.1"):
        local_mesh((Version("1.0"), Version("1.1")), Split("1.0", "2.0"))


def test_two_versions_do_not_share_a_subset() -> None:
    with pytest.raises(InvalidMesh, match="share the subset name v1-0"):
        local_mesh((Version("1.0"), Version("1-0")), Split("1.0"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Policy(timeout_s=0),
        lambda: Policy(rate_limit_per_s=0),
        lambda: Retries(attempts=-1),
        lambda: Retries(per_try_timeout_s=0),
        lambda: OutlierDetection(max_ejection_percent=101),
        lambda: OutlierDetection(interval_s=-1),
        lambda: ConnectionPool(max_connections=0),
        lambda: ConnectionPool(idle_timeout_s=0),
    ],
)
def test_a_policy_that_cannot_be_is_refused(make: type[Policy]) -> None:
    with pytest.raises(InvalidMesh, match="got"):
        make()

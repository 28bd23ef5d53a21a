"""The router over a real Envoy: what it writes is live when it says so, and what Envoy refuses is undone."""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bertmesh.local.ports import free_port
from mesh.envoy import render_routes
from mesh.errors import (
    ClustersMissing,
    EnvoyDown,
    InvalidMesh,
    NoHealthyPod,
    RoutesBusy,
    RoutesNotLive,
    RoutesRejected,
    UnreadableRoutes,
)
from mesh.local.deadline import Deadline
from mesh.local.files import to_yaml
from mesh.local.router import LocalRouter
from mesh.model import Split, Version, Weights, local_mesh
from mesh.policy import Policy
from tests.support.gateway import Gateway, gateway
from tests.support.pods import FakePod, pods
from tests.support.processes import LIMIT_S

pytestmark = pytest.mark.slow

STABLE = Split("1.0")
CANARY = Split("1.0", "1.1")


@dataclass(frozen=True)
class Mesh:
    gateway: Gateway
    stable: FakePod
    canary: FakePod

    @property
    def router(self) -> LocalRouter:
        return self.gateway.router

    @property
    def file(self) -> Path:
        return Path(self.gateway.options.routes_file)

    def serves(self) -> set[str | None]:
        return {self.gateway.call().version for _ in range(40)}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("router")
    with (
        pods("1.0", "1.1") as (stable, canary),
        gateway(folder, {"1.0": [stable], "1.1": [canary], "0.9": []}, STABLE) as here,
    ):
        yield Mesh(here, stable, canary)


@pytest.fixture
def mesh(running: Mesh) -> Mesh:
    running.router.apply(STABLE)
    return running


def short() -> Deadline:
    return Deadline(0.3)


def test_a_split_is_live_when_apply_returns(mesh: Mesh) -> None:
    for weight in (100, 0, 100, 0):
        proof = mesh.router.apply(CANARY.at(weight))
        assert mesh.serves() == ({"1.1"} if weight else {"1.0"})
        assert mesh.gateway.admin.routes().version == proof.version
        assert mesh.router.split() == CANARY.at(weight)


def test_no_request_fails_while_the_weights_change(mesh: Mesh) -> None:
    statuses: Counter[int] = Counter()
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            statuses[mesh.gateway.call().status] += 1

    clients = [threading.Thread(target=send) for _ in range(2)]
    for client in clients:
        client.start()
    for flip in range(40):
        mesh.router.apply(CANARY.at(100 * (flip % 2)))
    stop.set()
    for client in clients:
        client.join()
    assert set(statuses) == {200}


def test_a_pod_that_has_just_come_can_take_all_the_requests_at_once(mesh: Mesh) -> None:
    with pods("0.9") as (young,):
        mesh.gateway.set_pods("0.9", [young])
        mesh.router.apply(Split("1.0", "0.9", Weights(100)))
        statuses = {mesh.gateway.call().status for _ in range(20)}
        mesh.router.apply(STABLE)
        mesh.gateway.files.write_endpoints(Version("0.9"))
    assert statuses == {200}


def test_applying_the_same_split_again_writes_nothing(mesh: Mesh) -> None:
    first = mesh.router.apply(CANARY.at(20))
    written = mesh.file.stat()
    assert mesh.router.apply(CANARY.at(20)).version == first.version
    assert mesh.file.stat().st_ino == written.st_ino
    assert mesh.file.stat().st_mtime_ns == written.st_mtime_ns


def test_a_file_edited_by_hand_is_seen_and_put_back(mesh: Mesh) -> None:
    mesh.router.apply(CANARY.at(20))
    mesh.file.write_text(mesh.file.read_text().replace("weight: 80", "weight: 1").replace("20", "99"))
    assert mesh.router.split() == CANARY.at(99)
    mesh.router.apply(CANARY.at(20))
    assert mesh.router.split() == CANARY.at(20)


def test_a_file_exchanged_by_hand_is_undone_and_proved_so(mesh: Mesh) -> None:
    mesh.router.apply(CANARY.at(0))
    versions = tuple(Version(name) for name in mesh.gateway.versions)
    foreign = to_yaml([render_routes(local_mesh(versions, CANARY.at(100)))])
    mesh.file.with_suffix(".new").write_text(foreign)
    mesh.file.with_suffix(".new").replace(mesh.file)
    mesh.router.apply(CANARY.at(0))
    assert mesh.serves() == {"1.0"}


@pytest.mark.parametrize("junk", ["", "{{{", "[]", "resources: []", "weights: 80/20", "\x00"])
def test_a_file_without_a_split_is_named_and_the_next_split_mends_it(mesh: Mesh, junk: str) -> None:
    mesh.file.write_text(junk)
    with pytest.raises(UnreadableRoutes, match=r"routes\.yaml holds no split"):
        mesh.router.split()
    mesh.router.apply(CANARY.at(30))
    assert mesh.router.split() == CANARY.at(30)


def test_weights_that_do_not_add_up_are_no_split(mesh: Mesh) -> None:
    mesh.router.apply(CANARY.at(30))
    mesh.file.write_text(mesh.file.read_text().replace("weight: 70", "weight: 71"))
    with pytest.raises(UnreadableRoutes, match="should add up to 100"):
        mesh.router.split()


def test_routes_that_envoy_refuses_leave_the_last_good_ones_serving(mesh: Mesh) -> None:
    mesh.router.apply(CANARY.at(100))
    good = mesh.file.read_text()
    # Too long for a duration of protobuf: one of the rules of Envoy that no model of ours repeats.
    refused = mesh.gateway.make_router(policy=Policy(timeout_s=1e15))
    with pytest.raises(RoutesRejected, match="Envoy refused the new routes") as caught:
        refused.apply(CANARY.at(0))
    assert "uration" in caught.value.reason
    assert mesh.file.read_text() == good
    assert mesh.serves() == {"1.1"}
    mesh.router.apply(CANARY.at(0))
    assert mesh.serves() == {"1.0"}


def test_the_reason_is_sought_in_the_log_where_there_is_one(mesh: Mesh) -> None:
    refused = mesh.gateway.make_router(policy=Policy(timeout_s=1e15), log=None)
    with pytest.raises(RoutesRejected, match="its log says why"):
        refused.apply(CANARY)


def test_a_version_that_does_not_exist_is_refused_before_anything_is_written(mesh: Mesh) -> None:
    before = mesh.file.read_text()
    with pytest.raises(InvalidMesh, match=r"version 3\.0; the versions that exist are 1\.0, 1\.1, 0\.9"):
        mesh.router.apply(Split("1.0", "3.0"))
    assert mesh.file.read_text() == before


def test_a_version_that_envoy_does_not_know_yet_gets_no_route(mesh: Mesh) -> None:
    before = mesh.file.read_text()
    eager = mesh.gateway.make_router(versions=lambda: ["1.0", "1.1", "3.0"], patience=short)
    with pytest.raises(ClustersMissing, match=r"no cluster for version 3\.0 after 0\.\d s"):
        eager.apply(Split("1.0", "3.0"))
    assert mesh.file.read_text() == before
    eager.apply(CANARY.at(100))  # others are not held up by it
    assert mesh.serves() == {"1.1"}


def test_no_weight_moves_to_a_canary_without_a_healthy_pod(mesh: Mesh) -> None:
    hasty = mesh.gateway.make_router(patience=short)
    hasty.apply(Split("1.0", "0.9"))
    with pytest.raises(NoHealthyPod, match=r"none of the 0 pods of version 0\.9"):
        hasty.apply(Split("1.0", "0.9", Weights(5)))
    assert mesh.router.split() == Split("1.0", "0.9")
    assert mesh.serves() == {"1.0"}


def test_traffic_leaves_a_canary_that_has_died(mesh: Mesh) -> None:
    mesh.router.apply(CANARY.at(50))
    mesh.canary.does.ready = False
    try:
        mesh.gateway.await_healthy("1.1", 0)
        mesh.router.apply(CANARY.at(10))
        mesh.router.apply(STABLE)
        assert mesh.serves() == {"1.0"}
    finally:
        mesh.canary.does.ready = True
        mesh.gateway.await_healthy("1.1", 1)


def test_a_version_that_is_added_can_be_pinned_after_a_refresh(mesh: Mesh) -> None:
    here = mesh.gateway
    here.router.apply(CANARY.at(20))
    here.versions.append("2.0")
    try:
        members = {"1.0": [mesh.stable], "1.1": [mesh.canary], "2.0": [mesh.canary]}
        here.files.write_clusters(here.mesh(STABLE, members))
        here.await_healthy("2.0", 1)
        here.router.refresh()
        assert here.call(x_model_version="2.0").status == 200
        assert here.router.split() == CANARY.at(20)
    finally:
        here.versions.remove("2.0")
    here.router.refresh()
    assert here.call(x_model_version="2.0").status == 404
    here.files.write_clusters(here.mesh(STABLE, {"1.0": [mesh.stable], "1.1": [mesh.canary]}))


def test_two_applications_at_once_take_turns(mesh: Mesh) -> None:
    splits = [CANARY.at(weight) for weight in range(1, 17)]
    errors: list[Exception] = []

    def apply(split: Split) -> None:
        try:
            mesh.gateway.make_router().apply(split)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the test
            errors.append(error)

    threads = [threading.Thread(target=apply, args=(split,)) for split in splits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert mesh.router.split() in splits


def test_one_who_has_waited_too_long_changes_nothing(mesh: Mesh) -> None:
    before = mesh.file.read_text()
    busy, done = threading.Event(), threading.Event()

    def slow_versions() -> list[str]:
        busy.set()
        done.wait(LIMIT_S)
        return mesh.gateway.versions

    slow = threading.Thread(target=mesh.gateway.make_router(versions=slow_versions).refresh)
    slow.start()
    try:
        busy.wait(LIMIT_S)
        with pytest.raises(RoutesBusy, match="nothing was changed"):
            mesh.gateway.make_router(patience=short).apply(CANARY.at(60))
        assert mesh.file.read_text() == before
    finally:
        done.set()
        slow.join()


def test_with_envoy_gone_a_retreat_is_written_down_and_an_advance_is_not(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    router = LocalRouter(tmp_path, nobody, versions=lambda: ["1.0", "1.1"], patience=short)
    router.prepare(CANARY.at(20))
    with pytest.raises(EnvoyDown, match=f"{nobody} does not answer"):
        router.apply(CANARY.at(50))
    assert router.split() == CANARY.at(20)
    with pytest.raises(EnvoyDown):
        router.apply(STABLE)
    assert router.split() == STABLE


def test_an_envoy_that_reads_another_folder_is_noticed(mesh: Mesh, tmp_path: Path) -> None:
    lost = LocalRouter(tmp_path, mesh.gateway.admin.url, versions=lambda: ["1.0", "1.1"], patience=short)
    with pytest.raises(RoutesNotLive, match=r"and not sha256:[0-9a-f]{16} after 0\.\d s"):
        lost.apply(CANARY.at(77))


def test_a_start_keeps_the_split_on_file_as_long_as_its_versions_exist(tmp_path: Path) -> None:
    versions = ["1.0", "1.1"]
    router = LocalRouter(tmp_path, "http://127.0.0.1:1", versions=lambda: versions)
    assert router.prepare(STABLE) == STABLE
    assert router.prepare(CANARY.at(40)) == STABLE
    versions[:] = ["1.1"]
    assert router.prepare(Split("1.1")) == Split("1.1")
    assert router.split() == Split("1.1")


def test_a_gateway_that_starts_anew_serves_the_split_it_had(tmp_path: Path) -> None:
    with pods("1.0", "1.1") as (stable, canary):
        members = {"1.0": [stable], "1.1": [canary]}
        with gateway(tmp_path, members, STABLE) as here:
            here.router.apply(CANARY.at(100))
        with gateway(tmp_path, members, STABLE) as again:
            assert again.call().version == "1.1"
            assert again.router.apply(again.router.split()).version == again.admin.routes().version

"""The state folder."""

import os
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import pytest

from bertmesh.errors import CorruptState, MeshNotRunning, MeshRunning, UnknownVersion
from bertmesh.local.home import Home, MeshInfo, VersionSpec, process_start, write_json
from bertmesh.local.ports import free_ports, gateway_port
from bertmesh.local.workloads import Observed, WorkloadFiles


def info(pid: int, started: float) -> MeshInfo:
    return MeshInfo(pid, started, "http://g", "http://e", "http://p", "redis://r", "http://c", ready=True)


def test_a_home_is_held_once(tmp_path: Path) -> None:
    with (
        Home.at(tmp_path).locked(),
        pytest.raises(MeshRunning, match="bertmesh down"),
        Home.at(tmp_path).locked(),
    ):
        pass


def test_a_running_mesh_is_found(tmp_path: Path) -> None:
    me = info(os.getpid(), process_start(os.getpid()) or 0.0)
    write_json(Home.at(tmp_path).info_file, asdict(me))
    assert Home.at(tmp_path).info() == me


def test_a_process_that_took_over_the_number_of_a_dead_supervisor_is_no_mesh(tmp_path: Path) -> None:
    write_json(Home.at(tmp_path).info_file, asdict(info(os.getpid(), 1.0)))
    with pytest.raises(MeshNotRunning, match="bertmesh up"):
        Home.at(tmp_path).info()


def test_an_unknown_version_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.add_versions({"1.0": VersionSpec("zh-small:1.0")})
    with pytest.raises(UnknownVersion, match=r"no version '2.0' here; known: 1.0"):
        home.version("2.0")


def test_a_half_written_file_is_named(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.versions_file.write_text('{"1.0": ', encoding="utf-8")
    with pytest.raises(CorruptState, match=r"versions\.json cannot be read"):
        home.versions()


def _add(root: Path, name: str) -> None:
    Home.at(root).add_versions({name: VersionSpec("zh-small:1.0")})


def test_versions_added_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    names = [f"v{number}" for number in range(8)]
    context = get_context("fork")
    adders = [context.Process(target=_add, args=(tmp_path, name)) for name in names]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert sorted(Home.at(tmp_path).versions()) == names


def test_wanted_and_observed_replicas_are_kept_apart(tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    home.add_versions({"1.0": VersionSpec("m"), "1.1": VersionSpec("m")})
    files = WorkloadFiles(home)
    files.want("1.1", 2)
    files.observe("1.1", Observed(ready=1, running=2))
    assert files.all_wanted() == {"1.0": 0, "1.1": 2}
    assert files.observed("1.1").ready == 1
    assert files.running_versions() == ["1.1"]


def test_a_free_port_is_taken_as_asked() -> None:
    port = free_ports(1)[0]
    with gateway_port(port) as held:
        assert held == port

"""Where the programs are found, and what is said where they are not."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mesh.errors import BinaryMissing
from mesh.local.binaries import fetch_prometheus, find_all, find_envoy, find_prometheus, find_redis
from mesh.local.settings import Settings

NOWHERE = Settings(path="", cache=Path("/nonexistent"))


def program(path: Path, script: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_envoy_and_a_redis_come_with_the_packages() -> None:
    assert os.access(find_envoy(), os.X_OK)
    assert find_redis(NOWHERE).name == "valkey-server"


def test_a_redis_on_the_path_comes_first(tmp_path: Path) -> None:
    server = program(tmp_path / "redis-server")
    assert find_redis(replace(NOWHERE, path=str(tmp_path))) == server


def test_prometheus_is_the_named_one_then_the_one_on_the_path_then_the_fetched_one(tmp_path: Path) -> None:
    fetched = program(tmp_path / "cache" / "prometheus" / "usr" / "bin" / "prometheus")
    settings = Settings(path="", cache=tmp_path / "cache")
    assert find_prometheus(settings) == fetched
    installed = program(tmp_path / "bin" / "prometheus")
    settings = replace(settings, path=str(installed.parent))
    assert find_prometheus(settings) == installed
    named = program(tmp_path / "mine")
    assert find_prometheus(replace(settings, prometheus=named)) == named


def test_without_prometheus_one_sentence_says_how_to_get_it() -> None:
    with pytest.raises(BinaryMissing, match=r"was not found: install it .*apt-get.*BERTMESH_PROMETHEUS"):
        find_prometheus(NOWHERE)
    with pytest.raises(BinaryMissing, match="apt-get install prometheus"):
        fetch_prometheus(NOWHERE)  # no apt-get on this empty path


def test_a_named_prometheus_that_is_no_program_is_not_replaced_in_silence(tmp_path: Path) -> None:
    settings = replace(NOWHERE, prometheus=tmp_path / "typo")
    with pytest.raises(BinaryMissing, match=r"BERTMESH_PROMETHEUS is .*typo, which is no program"):
        fetch_prometheus(settings)


def test_prometheus_is_fetched_once_without_root(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    program(tmp_path / "bin" / "apt-get", f'echo "$1" >> {log}; : > prometheus_1_amd64.deb')
    unpack = "mkdir -p $3/usr/bin; cp $0 $3/usr/bin/prometheus"
    program(tmp_path / "bin" / "dpkg-deb", unpack)
    settings = Settings(path=f"{tmp_path / 'bin'}:/usr/bin:/bin", cache=tmp_path / "cache")
    first = fetch_prometheus(settings)
    assert os.access(first, os.X_OK)
    assert fetch_prometheus(settings) == first
    assert log.read_text().split() == ["download"]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["prometheus"]


def test_a_failed_download_says_what_apt_said(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "apt-get", "echo 'E: Unable to locate package prometheus' >&2; exit 100")
    program(tmp_path / "bin" / "dpkg-deb")
    settings = Settings(path=f"{tmp_path / 'bin'}:/usr/bin:/bin", cache=tmp_path / "cache")
    with pytest.raises(BinaryMissing, match=r"Unable to locate package prometheus.*install it"):
        fetch_prometheus(settings)


def test_the_environment_is_read_in_one_place(tmp_path: Path) -> None:
    given = {"PATH": "/x", "XDG_CACHE_HOME": str(tmp_path), "BERTMESH_PROMETHEUS": "/srv/prometheus"}
    assert Settings.from_environment(given) == Settings("/x", tmp_path / "bertmesh", Path("/srv/prometheus"))
    assert Settings.from_environment({}) == Settings("", Path.home() / ".cache" / "bertmesh")


def test_set_up_prints_where_each_program_is() -> None:
    words = [sys.executable, "-m", "mesh.local.binaries"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["envoy", "redis", "prometheus"]
    assert str(find_all().envoy) in done.stdout

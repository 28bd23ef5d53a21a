"""The local mesh itself: requests, pins, its end, and what a kill -9 leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil

from bertmesh.local.home import Home
from bertmesh.local.pods import models_dir
from bertmesh.local.ports import free_ports
from bertmesh.local.processes import MARK
from tests.local.conftest import mesh_in
from tests.local.hand import Hand
from tests.support.processes import LIMIT_S

FOUR_GIB = 4 * 2**30


def processes_of(home: Home) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(home.root):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def up(home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bertmesh", "up", "--home", str(home), *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_all_three_endpoints_answer_chinese_text_through_the_gateway(mesh: Hand) -> None:
    filled = json.loads(mesh.post("fill-mask", {"text": "这家酒店的服[MASK]很好。"}).data)
    assert filled["result"][0]["sequence"] == "这家酒店的服务很好。"
    similar = json.loads(
        mesh.post("semantic-similarity", {"text": "房间很干净", "text_pair": "屋子很整洁"}).data
    )
    assert 0 <= similar["result"] <= 1
    features = json.loads(mesh.post("feature-extraction", {"text": "今天天气很好。"}).data)
    assert len(features["result"]) == 256
    assert {filled["model"]["name"], similar["model"]["name"], features["model"]["name"]} == {"zh-small"}


def test_a_pin_to_an_unknown_version_is_answered_with_those_that_exist(mesh: Hand) -> None:
    answer = mesh.post("fill-mask", {"text": "你[MASK]"}, x_model_version="7.7")
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert mesh.state.stable in answer.data.decode()


def test_status_names_versions_pods_and_split(mesh: Hand) -> None:
    shown = json.loads(mesh.command("status", "-o", "json").stdout)
    assert shown["ready"]
    assert sum(share["weight"] for share in shown["split"]) == 100
    assert shown["versions"][mesh.state.stable]["ready"] == 2
    assert {"envoy", "redis", "prometheus", "controller"} <= set(shown["processes"])


def test_routes_are_those_of_the_running_mesh(mesh: Hand) -> None:
    shown = mesh.command("routes", "--istio").stdout
    assert "kind: VirtualService" in shown
    assert mesh.state.stable in shown


def test_a_second_up_in_the_same_home_is_refused(mesh: Hand) -> None:
    second = up(mesh.home.root)
    assert second.returncode == 1
    assert "already runs" in second.stderr


def test_after_a_kill_of_the_supervisor_the_next_up_cleans_and_goes_on(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "mesh")
    with mesh_in(home) as first:
        left = [psutil.Process(process.pid) for process in home.processes().values() if process.pid]
        assert {"redis", "prometheus", "envoy", "controller", "bert-1.0-0", "bert-1.0-1"} <= set(
            home.processes()
        )
        # With a canary there are two pods more; even twice all processes must fit.
        assert 2 * sum(process.memory_full_info().pss for process in processes_of(home)) < FOUR_GIB
        first_supervisor = psutil.Process(first.info.pid)
        first_supervisor.kill()
        first_supervisor.wait(timeout=LIMIT_S)
        with mesh_in(home) as second:
            assert not [process for process in left if process.is_running()]
            assert second.post("feature-extraction", {"text": "你好"}).status == 200
    assert processes_of(home) == []


def test_a_taken_port_is_refused(mesh: Hand, tmp_path: Path) -> None:
    port = mesh.gateway.rpartition(":")[2]
    refused = up(tmp_path / "other", "--port", port)
    assert refused.returncode == 1
    assert f"port {port} is taken by" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert processes_of(Home.at(tmp_path / "other")) == []


def test_without_prometheus_it_says_how_to_get_it(tmp_path: Path) -> None:
    refused = up(tmp_path, BERTMESH_PROMETHEUS="/no/such/prometheus")
    assert refused.returncode == 1
    assert "Prometheus was not found: BERTMESH_PROMETHEUS is /no/such/prometheus" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_model_with_a_changed_file_does_not_start(tmp_path: Path) -> None:
    home = tmp_path / "mesh"
    broken = tmp_path / "models" / "zh-small" / "1.0"
    broken.mkdir(parents=True)
    for file in (models_dir() / "zh-small" / "1.0").iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "vocab.txt").write_text("[MASK]\n", encoding="utf-8")
    refused = up(home, "--port", str(free_ports(1)[0]), BERTMESH_MODELS_DIR=str(tmp_path / "models"))
    assert refused.returncode == 1
    assert "vocab.txt" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert processes_of(Home.at(home)) == []


def test_a_model_folder_without_tokenizer_does_not_start(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        (bare / name).write_bytes((models_dir() / "zh-small" / "1.0" / name).read_bytes())
    refused = up(tmp_path / "mesh", "--version", f"bare={bare}", "--stable", "bare")
    assert refused.returncode == 1
    assert "tokenizer" in refused.stderr
    assert processes_of(Home.at(tmp_path / "mesh")) == []

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bertmesh.commands.cli import cli
from canary.local.store import FileStore
from tests.canary.fakes import Stage


@contextmanager
def controller(home: Path, **traffic: Any) -> Iterator[Stage]:  # noqa: ANN401 - handed on to the fake
    """Run a controller over fakes and the real store, a hundred times faster than life."""
    stage = Stage(FileStore(home / "rollout"), **traffic)
    stage.clock.time = stage.traffic.since = time.time()
    stage.controller.tick()
    stop = threading.Event()

    def live() -> None:
        while not stop.wait(0.01):
            stage.clock.time += 1
            stage.traffic.advance()
            stage.controller.tick()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield stage
    finally:
        stop.set()
        thread.join()


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["rollout", *words, "--home", str(home)])


def test_a_good_canary_ends_a_waiting_start_with_0(tmp_path: Path) -> None:
    with controller(tmp_path):
        result = run(tmp_path, "start", "1.1", "--profile", "fast", "--wait")
    assert result.exit_code == 0, result.output
    assert "advance (baked)" in result.output


def test_a_bad_canary_ends_a_waiting_start_with_3(tmp_path: Path) -> None:
    with controller(tmp_path, bad={"1.1": 0.3}):
        result = run(tmp_path, "start", "1.1", "--profile", "fast", "--steps", "20,50", "--wait")
    assert result.exit_code == 3, result.output
    assert "100 is enough to roll back" in result.output


def test_a_canary_that_never_starts_ends_a_waiting_start_with_1(tmp_path: Path) -> None:
    with controller(tmp_path) as stage:
        stage.workloads.broken["1.1"] = "no model folder"
        result = run(tmp_path, "start", "1.1", "--profile", "fast", "--wait")
    assert result.exit_code == 1
    assert "no model folder" in result.output


def test_waiting_ends_in_time(tmp_path: Path) -> None:
    with controller(tmp_path) as stage:
        stage.workloads.broken["1.1"] = "loading"
        result = run(tmp_path, "start", "1.1", "--wait", "--timeout", "0.1")
    assert result.exit_code == 4
    assert "goes on without you" in result.output


def test_status_and_history_as_json(tmp_path: Path) -> None:
    with controller(tmp_path):
        run(tmp_path, "start", "1.1", "--profile", "fast", "--replicas", "3", "--wait")
    status = json.loads(run(tmp_path, "status", "-o", "json").output)
    assert status["stable"] == "1.1"
    rollout = status["rollout"]
    assert (rollout["phase"], rollout["ended"], rollout["replicas"]) == ("Promoted", True, 3)
    assert [step["weight"] for step in rollout["steps"]] == [5, 20, 50, 100]
    assert all(step["until"] >= step["since"] for step in rollout["steps"])
    entries = json.loads(run(tmp_path, "history", "-o", "json", "--last", "2").output)
    assert [entry["reason"] for entry in entries] == ["bake", "baked"]
    assert entries[-1] == rollout["turn"]


def test_status_and_history_for_people(tmp_path: Path) -> None:
    with controller(tmp_path, bad={"1.1": 0.3}):
        run(tmp_path, "start", "1.1", "--profile", "fast", "--wait")
    status = run(tmp_path, "status").output
    assert "rollout-1: 1.0 -> 1.1, RolledBack" in status
    assert "demos and drills only" in status
    assert "controller: runs (process " in status
    history = run(tmp_path, "history").output
    assert "start (by_hand:start): " in history
    assert "): errors: canary " in history


def test_orders_are_carried_out_and_answered(tmp_path: Path) -> None:
    with controller(tmp_path, rps=0.1) as stage:
        run(tmp_path, "start", "1.1", "--profile", "fast")
        for word, phase in (("pause", "Paused"), ("resume", None), ("abort", None)):
            result = run(tmp_path, word, "-o", "json")
            assert result.exit_code == 0, result.output
            assert json.loads(result.output)["message"]
            assert phase in {None, stage.phase}
        result = run(tmp_path, "watch")
    assert result.exit_code == 3
    assert "by_hand:abort" in run(tmp_path, "history").output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["start", "9.9"], "there is no version '9.9'; versions that exist: 1.0, 1.1, 1.2"),
        (
            ["start", "1.1", "--profile", "brave"],
            "there is no profile 'brave'; profiles that exist: default,",
        ),
        (["start", "1.1", "--steps", "50,20"], "steps '50,20' are not usable: give rising percentages"),
        (["start", "1.1", "--steps", "a,b"], "steps 'a,b' are not usable"),
        (["start", "1.1", "--steps", ""], "steps '' are not usable"),
        (["start", "1.0"], "'1.0' is the stable version already"),
        (["start", "1.1", "--stable", "1.2"], "the stable version is '1.0', not '1.2'"),
        (["promote"], "nothing to promote: no rollout is in progress"),
        (["watch"], "nothing to watch: no rollout is in progress"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(tmp_path: Path, words: list[str], sentence: str) -> None:
    with controller(tmp_path):
        result = run(tmp_path, *words)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert sentence in result.output


def test_a_second_rollout_is_refused(tmp_path: Path) -> None:
    with controller(tmp_path) as stage:
        stage.workloads.broken["1.1"] = "loading"
        run(tmp_path, "start", "1.1")
        result = run(tmp_path, "start", "1.2")
    assert result.exit_code == 1
    assert "a rollout of '1.1' is in progress (Warming)" in result.output


def test_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    assert run(tmp_path, "start").exit_code == 2
    assert run(tmp_path, "start", "1.1", "--replicas", "0").exit_code == 2
    assert run(tmp_path, "status", "-o", "xml").exit_code == 2


@pytest.mark.parametrize("word", ["status", "history", "pause", "watch"])
def test_without_a_home_there_is_no_mesh(tmp_path: Path, word: str) -> None:
    result = run(tmp_path / "nowhere", word)
    assert result.exit_code == 1
    assert "no mesh runs in" in result.output


def test_without_a_mesh_a_command_is_not_left_behind(tmp_path: Path) -> None:
    result = run(tmp_path, "start", "1.1")
    assert result.exit_code == 1
    assert "no mesh runs in" in result.output
    assert FileStore(tmp_path / "rollout").commands() == []


def test_before_the_first_rollout_status_says_so(tmp_path: Path) -> None:
    assert "no controller has run here yet" in run(tmp_path, "status").output
    assert run(tmp_path, "history").output == "nothing has happened yet\n"
    with controller(tmp_path):
        pass
    assert "no rollout so far" in run(tmp_path, "status").output


def test_a_corrupt_state_is_a_sentence_too(tmp_path: Path) -> None:
    (tmp_path / "rollout").mkdir()
    (tmp_path / "rollout" / "state.json").write_text("{", encoding="utf-8")
    result = run(tmp_path, "status")
    assert result.exit_code == 1
    assert "does not hold a rollout state" in result.output

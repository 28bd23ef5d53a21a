import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bertmesh.commands.cli import cli
from tests.canary.console.scenes import Scene, at_weight


def explain(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["rollout", "explain", "--home", str(home), *words])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "rollout", bad={"1.2": 0.3})


def test_a_rollback_is_explained_with_its_numbers_and_queries(tmp_path: Path, scene: Scene) -> None:
    scene.roll("1.2")
    text = explain(tmp_path).output
    for piece in (
        "rollout-1: 1.0 -> 1.2, RolledBack, canary at 0 %",
        "roll_back (",
        "(100 sends all traffic back)",
        "errors: failed or timed out",
        "canary: ",
        'destination_version=~"1\\\\.0|1\\\\.2"',
        "[15s]",
        "profile: fast",
        "steps: 5 % 10s, 20 % 10s, 50 % 10s",
        "fallback: 30s",
        "bake: 5s",
        "holdback: 0 %",
    ):
        assert piece in text


def test_the_same_as_json(tmp_path: Path, scene: Scene) -> None:
    scene.roll("1.2")
    document = json.loads(explain(tmp_path, "-o", "json").output)
    assert document["decision"]["action"] == "roll_back"
    assert document["evidence"]["harm"]["value"] >= document["evidence"]["harm"]["enough"] == 100
    assert document["evidence"]["metrics"]["errors"]["canary"]["bad"] > 0
    assert "process_start_time_seconds" in document["queries"]["starts of the pods"]


def test_a_rollout_under_way_says_what_is_still_needed(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "rollout", rps=20.0)
    scene.roll("1.1", at_weight(scene, 5, 2))
    text = explain(tmp_path).output
    assert "still needed: " in text
    assert "errors: needs about " in text


def test_a_former_rollout_can_be_explained(tmp_path: Path, scene: Scene) -> None:
    scene.roll("1.1")
    scene.roll("1.2")
    assert (
        "rollout-1: 1.0 -> 1.1, Promoted, canary at 100 %"
        in explain(tmp_path, "--rollout", "rollout-1").output
    )
    result = explain(tmp_path, "--rollout", "rollout-7")
    assert result.exit_code == 1
    assert "rollouts that are kept: rollout-2, rollout-1" in result.output


def test_before_the_first_judgement_there_is_nothing_to_explain_but_the_start(
    tmp_path: Path, scene: Scene
) -> None:
    assert "nothing to explain" in explain(tmp_path).output
    scene.start("1.1")
    assert "nothing has been judged yet" in explain(tmp_path).output
    assert "no mesh runs in" in explain(tmp_path / "nowhere").output

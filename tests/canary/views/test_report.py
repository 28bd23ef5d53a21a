"""What the judge measured, as the status, the history and programs have it."""

import json
from pathlib import Path
from typing import Any

import pytest

from canary.local.store import STATE, FileStore
from canary.views.findings import evidence
from canary.views.rollout import entry_view
from canary.views.runs import runs
from canary.views.status import Circumstances, status_of
from tests.canary.console.scenes import Scene, at_weight


def status(scene: Scene) -> dict[str, Any]:
    return status_of(scene.state, Circumstances({}, 1, scene.clock.time))


def test_the_status_says_how_many_requests_each_metric_still_needs(folder: Path) -> None:
    scene = Scene(folder, rps=5.0)
    scene.roll("1.1", lambda: scene.reason == "collecting:errors")
    assert scene.state.latest is not None
    found = {each["metric"]: each for each in status(scene)["evidence"]}
    words = f"errors: needs about {found['errors']['needed']} more canary requests"
    assert scene.state.latest.sentence.startswith(words)
    scene.run(600)
    assert all("needed" not in each for each in status(scene)["evidence"])


def test_the_status_has_no_word_about_a_metric_that_nobody_counts(folder: Path) -> None:
    scene = Scene(folder)
    scene.roll("1.1", at_weight(scene, 20), profile="default")
    assert [each["metric"] for each in status(scene)["evidence"]] == ["errors", "slow"]


def test_every_line_of_the_history_says_at_which_step_it_was(folder: Path) -> None:
    scene = Scene(folder)
    scene.roll("1.1")
    steps = [(line["weight"], line.get("step")) for line in status(scene)["history"]]
    moves = [pair for k, pair in enumerate(steps) if k == 0 or steps[k - 1][0] != pair[0]]
    assert moves == [(0, None), (5, 1), (20, 2), (50, 3), (100, 4)]


def test_programs_find_the_numbers_under_the_names_that_they_know(folder: Path) -> None:
    scene = Scene(folder, bad={"1.1": 0.3})
    scene.roll("1.1")
    turn = next(entry for entry in scene.state.history if entry.action == "roll_back")
    numbers = json.loads(json.dumps(entry_view(turn)))["numbers"]
    assert set(numbers) == {"evidence", "breaker", "weight", "ticks", "metrics"}
    metric = numbers["metrics"]["errors"]
    assert set(metric) == {"evidence", "phi", "incident", "step", "rollout", "safe", "needed"}
    assert set(metric["step"]) == {"canary", "stable", "seconds"}
    assert set(metric["step"]["canary"]) == {"requests", "bad"}
    assert set(metric["safe"][0]) == {"margin", "evidence", "enough"}
    assert entry_view(scene.state.history[0])["numbers"] == {}


def test_a_state_that_was_stored_before_there_were_reports_is_read_and_goes_on(folder: Path) -> None:
    scene = Scene(folder)
    scene.roll("1.1", at_weight(scene, 20))
    stored = json.loads(STATE.dump_json(scene.state))
    for entry in [stored["latest"], *stored["history"]]:
        del entry["report"], entry["golden"], entry["step"]
        entry["numbers"] = {"evidence": 0.5, "breaker": 0.0, "weight": 5, "ticks": 3, "metrics": {}}
    (folder / "state.json").write_text(json.dumps(stored), encoding="utf-8")
    state = FileStore(folder).load()
    assert state is not None
    assert (state.ledger, state.rollout) == (scene.state.ledger, scene.state.rollout)
    assert evidence(runs(state)[0]) is None
    scene.controller = scene.new_controller()
    scene.run(600)
    assert scene.phase == "Promoted"
    assert evidence(runs(scene.state)[0]) is not None


@pytest.mark.parametrize("order", ["abort", "pause"])
def test_an_order_is_noted_with_what_was_measured_last(folder: Path, order: str) -> None:
    scene = Scene(folder)
    scene.roll("1.1", at_weight(scene, 20))
    before = scene.state.latest
    assert before is not None
    assert scene.order(order).ok
    given = next(entry for entry in scene.state.history if entry.reason == f"by_hand:{order}")
    assert given.report == before.report is not None

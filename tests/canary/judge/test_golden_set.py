"""The golden gate: the same sentences for both versions, before the first live request."""

import json
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from canary.controller.golden_gate import GoldenGate
from canary.judge.golden import GoldenResult, compare
from canary.rollout.model import Rollout
from canary.views.rollout import entry_view
from mesh.model import Split
from modelstore.errors import BadGolden
from modelstore.golden import Sentence, read_golden
from tests.canary.fakes import Stage

SENTENCES = tuple(Sentence(f"第{k}个[MASK]。", ("对",)) for k in range(40))


@dataclass
class FakeCandidates:
    """Answers rightly, except what a version is said to get wrong or not to answer."""

    wrong: dict[str, int] = field(default_factory=dict)
    silent: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    trouble: str = ""

    def fill(self, version: str, texts: Sequence[str], top: int) -> list[tuple[str, ...] | None]:
        self.asked.append(version)
        assert top == 3
        wrong, silent = self.wrong.get(version, 0), self.silent.get(version, 0)
        answers: list[tuple[str, ...] | None] = [("不", "错", "对")] * len(texts)
        answers[: wrong + silent] = [("不", "错", "没")] * wrong + [None] * silent
        return answers


class Aside(Executor):
    """Runs what is submitted when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Any, Any]] = []

    def submit(self, fn: Any, /, *args: Any, **_: Any) -> Future[Any]:  # noqa: ANN401 - any function
        future: Future[Any] = Future()
        self.waiting.append((future, fn, args))
        return future

    def work(self) -> None:
        for future, fn, args in self.waiting:
            future.set_result(fn(*args))
        self.waiting = []


class Scene:
    """A fake world with a golden gate in front of its first weight."""

    def __init__(self, candidates: FakeCandidates, sentences: Sequence[Sentence] = SENTENCES) -> None:
        self.candidates, self.aside, self.sentences = candidates, Aside(), sentences
        self.slept: list[float] = []
        gate = GoldenGate(candidates, self.find, executor=self.aside, sleep=self.slept.append)
        self.world = Stage(review=gate)

    def find(self, rollout: Rollout) -> Sequence[Sentence]:
        if rollout.golden == "bad":
            raise BadGolden(rollout.golden, "no JSON")
        return () if rollout.golden == "none" else self.sentences

    def play(self, **options: Any) -> str:  # noqa: ANN401 - of the command
        self.world.start(**options)
        self.world.run(20, until=lambda: self.world.reason == "gate:golden")
        self.aside.work()
        self.world.run(3)
        return self.world.phase


def test_a_canary_as_good_as_the_stable_gets_traffic_and_the_numbers_are_kept() -> None:
    scene = Scene(FakeCandidates(wrong={"1.0": 5, "1.1": 5}))
    assert scene.play() == "Progressing"
    assert scene.candidates.asked == ["1.0", "1.1"]
    [entry] = [e for e in scene.world.state.history if "golden set: canary" in e.sentence]
    assert entry_view(entry)["numbers"]["golden"]["both"] == 35


def test_a_canary_that_has_forgotten_too_much_never_gets_a_request() -> None:
    scene = Scene(FakeCandidates(wrong={"1.1": 7}))
    assert scene.play() == "Failed"
    assert scene.world.router.live == Split("1.0")
    assert scene.world.workloads.pods["1.1"] == 0
    assert all(split.weights.canary == 0 for split in scene.world.router.past)
    assert "golden set: canary 33 of 40 right, stable 40; 7 lost, 0 won" in (
        scene.world.state.history[-1].sentence
    )


def test_a_canary_that_does_not_answer_is_asked_again_and_then_fails() -> None:
    scene = Scene(FakeCandidates(silent={"1.1": 10}))
    assert scene.play() == "Failed"
    assert len(scene.slept) == 4
    assert "only 30 of 40 sentences were answered by both" in scene.world.state.history[-1].sentence


def test_why_nobody_answers_is_said_while_it_is_asked_and_at_the_end() -> None:
    scene = Scene(FakeCandidates(silent={"1.0": 40, "1.1": 40}, trouble="http://bert: no such name"))
    scene.world.start()
    scene.world.run(20, until=lambda: scene.world.reason == "gate:golden")
    assert scene.world.state.history[-1].sentence.endswith("no answer yet: http://bert: no such name")
    scene.aside.work()
    scene.world.run(3)
    assert scene.world.phase == "Failed"
    assert "are needed; http://bert: no such name" in scene.world.state.history[-1].sentence


def test_the_controller_goes_on_while_both_versions_are_asked() -> None:
    scene = Scene(FakeCandidates())
    scene.world.start()
    scene.world.run(10)
    assert scene.world.phase == "Rehearsing"
    assert scene.world.order("abort").ok
    scene.world.run(5)
    assert scene.world.phase == "RolledBack"


def test_without_a_golden_set_nothing_is_asked() -> None:
    scene = Scene(FakeCandidates(wrong={"1.1": 40}))
    assert scene.play(golden="none") == "Progressing"
    assert scene.candidates.asked == []


def test_an_unreadable_golden_set_ends_the_rollout_with_a_sentence() -> None:
    scene = Scene(FakeCandidates())
    assert scene.play(golden="bad") == "Failed"
    assert "bad is no golden set (no JSON)" in scene.world.state.history[-1].sentence


@pytest.mark.parametrize(
    ("lost", "won", "covered", "passes", "p"),
    [(9, 1, 90, True, 0.0107421875), (10, 1, 90, False, 0.00585937500000001), (0, 0, 84, False, 1.0)],
)
def test_the_worked_cases(lost: int, won: int, covered: int, passes: bool, p: float) -> None:  # noqa: FBT001 - a row
    result = GoldenResult(100, covered, covered - lost - won, lost, won)
    assert result.passed is passes
    assert result.p == pytest.approx(p, abs=1e-6)


def test_only_sentences_that_both_answered_are_compared() -> None:
    result = compare([True, None, True, False], [False, True, True, None])
    assert (result.asked, result.covered, result.both, result.stable_only) == (4, 2, 1, 1)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        '{"schema": 1}',
        {"schema": 2, "sentences": [{"text": "北[MASK]", "answers": ["京"]}]},
        {"schema": 1, "sentences": []},
        {"schema": 1, "sentences": [{"text": "北京", "answers": ["京"]}]},
        {"schema": 1, "sentences": [{"text": "北[MASK]", "answers": []}]},
        {"schema": 1, "sentences": [{"text": 1, "answers": ["京"]}]},
    ],
)
def test_what_is_no_golden_set_is_refused(document: object) -> None:
    data = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(BadGolden, match=r"mine is no golden set"):
        read_golden(data.encode(), "mine")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"text": "北[MASK]", "expected": ["京"]},
            "sentence 2: the key answers is missing, its keys are text, expected",
        ),
        ({"answers": ["京"]}, "sentence 2: the key text is missing"),
        ({}, "sentence 2: the key answers and text is missing, its keys are none"),
        ({"text": "北[MASK]", "answers": "京"}, "sentence 2: answers is '京', a list"),
        ({"text": "北[MASK]", "answers": [1]}, r"sentence 2: answers is \[1\], a list"),
        ({"text": "北京", "answers": ["京"]}, "sentence 2: text is '北京', a text with exactly one"),
        ("北[MASK]", "sentence 2: it is '北"),
    ],
)
def test_what_is_wrong_is_named_with_its_place_and_key(row: object, words: str) -> None:
    rows = [{"text": "北[MASK]", "answers": ["京"]}, row]
    with pytest.raises(BadGolden, match=words):
        read_golden(json.dumps({"schema": 1, "sentences": rows}).encode(), "mine")


def test_the_shipped_golden_set_is_one() -> None:
    path = Path(__file__).parents[3] / "models" / "zh-small" / "golden.json"
    assert len(read_golden(path.read_bytes(), path.name)) > 40

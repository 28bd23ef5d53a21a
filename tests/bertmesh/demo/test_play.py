"""An act is played on the real controller in a world of fakes, where a look takes a second."""

import io
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
from rich.console import Console

from bertmesh.demo import local, play
from bertmesh.demo.acts import PROFILE, Act
from bertmesh.demo.local import LocalVenue
from bertmesh.demo.pace import Needs
from bertmesh.demo.play import SLOWER_AFTER_S, TAKES, Stagehand
from bertmesh.demo.screen import Screen
from bertmesh.demo.traffic import Response, Traffic
from bertmesh.errors import ActStuck
from bertmesh.local.home import Home, ProcessInfo
from canary.local.client import Client
from canary.local.store import FileStore
from tests.canary.fakes import Stage

GOOD = Act("a good canary", "1.1", None, "Promoted")
USUAL = Needs.of(PROFILE, 10.0)
KILLED = Act("the controller is killed", "1.1", None, "Promoted", kill_controller=True)
A_LOOK = 20  # requests are answered in it


class Played(Traffic):
    """Traffic without a gateway: what was answered is told to it."""

    def tell(self, answers: Iterable[Response]) -> None:
        self._answers += answers


class Theatre:
    """A home whose controller makes a pass whenever the demo sleeps; a killed one has a successor."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = Home.at(folder)
        self.stage = Stage(FileStore(self.home.rollout), rps=60.0)
        self.stage.tick()
        self.text = io.StringIO()
        self.traffic = Played("http://nowhere", ["今天天气很好。"], rate=60.0, random=Random(1))
        self.busy_in = 0  # so many rollouts see the machine become slower
        self.child = subprocess.Popen(["/bin/sleep", "600"])
        self.home.tell_processes({"controller": ProcessInfo(self.child.pid, 1)})
        fake = SimpleNamespace(time=lambda: self.stage.clock.time, sleep=self.sleep)
        monkeypatch.setattr(play, "time", fake)
        monkeypatch.setattr(local, "time", fake)
        client = Client(self.home.rollout, now=fake.time, sleep=fake.sleep)
        self.venue = LocalVenue(self.home, "http://nowhere", client)

    def sleep(self, _seconds: float) -> None:
        state = self.stage.state
        busy = state.rollouts <= self.busy_in and bool(state.rollout and state.rollout.weighted)
        self.stage.traffic.slow = {"1.0": 0.6, "1.1": 0.6} if busy else {}
        if self.child.poll() is not None:
            self.stage.controller = self.stage.new_controller()
        self.stage.clock.time += 1.0
        self.stage.traffic.advance()
        self.stage.tick()
        self.traffic.tell(self.answers())

    def answers(self) -> Iterator[Response]:
        for version, weight in self.stage.router.live.shares:
            for _ in range(A_LOOK * weight // 100):
                yield Response(self.stage.clock.time, 0.01, "fill-mask", 200, version)

    def stagehand(self, act: Act, needs: Needs = USUAL) -> Stagehand:
        return Stagehand(self.venue, self.traffic, needs, Screen(Console(file=self.text)), act)


@pytest.fixture
def theatre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theatre]:
    theatre = Theatre(tmp_path, monkeypatch)
    yield theatre
    theatre.child.kill()
    theatre.child.wait()


def test_a_good_canary_is_promoted_and_every_decision_is_told(theatre: Theatre) -> None:
    outcome = theatre.stagehand(GOOD).play()
    assert (outcome.phase, outcome.takes) == ("Promoted", 1)
    assert outcome.broken_promises() == []
    assert [stage.weight for stage in outcome.stages] == [5, 20, 50, 95]
    assert "proved not worse" in outcome.sentence
    assert "50 -> 95 %" in theatre.text.getvalue()


def test_a_killed_controllers_successor_is_seen_to_keep_what_was_on_file(theatre: Theatre) -> None:
    outcome = theatre.stagehand(KILLED).play()
    assert theatre.child.wait() < 0
    assert outcome.broken_promises() == []
    assert outcome.succession is not None
    assert outcome.succession.before.weight == 20
    assert outcome.succession.added


def test_an_act_begins_anew_where_the_machine_has_become_slower_for_good(theatre: Theatre) -> None:
    theatre.busy_in = 1
    outcome = theatre.stagehand(GOOD).play()
    assert (outcome.phase, outcome.takes) == ("Promoted", 2)
    assert outcome.broken_promises() == []
    assert "slower than when this began" in theatre.text.getvalue()
    assert outcome.end - outcome.begin > SLOWER_AFTER_S


def test_an_act_that_can_never_end_is_given_up(theatre: Theatre) -> None:
    theatre.busy_in = TAKES
    with pytest.raises(ActStuck, match="a good canary: no end after"):
        theatre.stagehand(GOOD, Needs(start_s=1.0, soak_s=1.0, requests=1.0)).play()

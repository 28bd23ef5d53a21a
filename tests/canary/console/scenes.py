"""Prepared stores: a real one in a folder, written by the real controller over a fake world."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from canary.adapters.disagreements import Disagreement
from canary.console.app import Console, create_app
from canary.console.local import LocalRollouts
from canary.console.ports import Disagreements, TrafficFigures
from canary.console.security import RequestGuard
from canary.console.settings import Settings
from canary.local.inbox import Inbox
from canary.local.store import FileStore
from canary.rollout.commands import Command, OrderResult
from tests.canary.fakes import Stage
from tests.support.processes import LIMIT_S

SECRET = b"a secret of the tests"


class Scene(Stage):
    """A world that begins ``ago`` seconds before now, and whose controller has a real store."""

    def __init__(self, folder: Path, *, ago: float = 60.0, **traffic: Any) -> None:  # noqa: ANN401 - for the fake
        super().__init__(FileStore(folder), **traffic)
        self.inbox = Inbox(folder)
        self.clock.time = self.traffic.since = time.time() - ago
        self.tick()

    def send(self, command: Command) -> OrderResult:
        """Send a command the way the command line does."""
        self.inbox.put(command)
        self.tick()
        answer = self.inbox.collect(command.id)
        assert answer is not None
        return answer

    def roll(self, canary: str, until: Callable[[], bool] = lambda: False, **options: Any) -> None:  # noqa: ANN401 - for Start
        """Begin a rollout and go on until it has ended, or until something is so."""
        answer = self.start(canary, **options)
        assert answer.ok, answer.message
        self.run(600, until)


def at_weight(scene: Scene, weight: int, seconds: float = 4.0) -> Callable[[], bool]:
    """Return whether a weight has been live for some seconds."""

    def reached() -> bool:
        state = scene.state
        live = state.live_since
        here = state.rollout is not None and state.rollout.weight == weight
        return here and live is not None and scene.clock.time - live >= seconds

    return reached


def beat(folder: Path) -> None:
    """Leave a controller's sign of life."""
    FileStore(folder).beat(time.time())


def disagreement(**fields: Any) -> Disagreement:  # noqa: ANN401 - fields of any type
    """Return an example of a disagreement."""
    known = {
        "at": 1_790_000_000.0, "canary": "1.1", "stable": "1.0", "task": "fill-mask", "severity": 0.82,
        "request_id": "r-1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "pod": "1.1-a",
        "text": "中国的首都是[MASK]京。", "about": "11 characters, sha256:3f2a", "stable_answer": "北 0.98",
        "canary_answer": "南 0.61", "sentence": "the best token differs, and so do 4 of the best 5",
    }  # fmt: skip
    return Disagreement(**{**known, **fields})


def console(
    folder: Path,
    *,
    traffic: TrafficFigures | None = None,
    settings: Settings | None = None,
    disagreements: Disagreements | None = None,
    within_s: float = LIMIT_S,
) -> Flask:
    """Return the console of a store, whose controller has ``within_s`` seconds to answer."""
    chosen = settings or Settings()
    rollouts = LocalRollouts(folder, "bert", within_s=within_s)
    guard = RequestGuard(chosen, SECRET)
    return create_app(Console(rollouts, guard, traffic=traffic, disagreements=disagreements), chosen)

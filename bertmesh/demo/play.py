"""Plays one act of the demo: starts the rollout, watches it, and kills the controller if the act says so."""

import os
import signal
import time
from collections.abc import Callable
from uuid import uuid4

from bertmesh.demo.acts import Act, Outcome, Resumption
from bertmesh.demo.facts import Stage
from bertmesh.demo.screen import WINDOW_S, Screen
from bertmesh.demo.traffic import Traffic
from bertmesh.errors import ActStuck, ControllerSilent, RolloutRefused
from bertmesh.local.home import Home
from canary.local.client import Client
from canary.local.store import FileStore
from canary.rollout.commands import Start
from canary.rollout.decision import Action
from canary.rollout.model import Rollout
from canary.rollout.state import State

POLL_S = 0.1
ACT_LIMIT_S = 150.0
KILL_AT_WEIGHT = 20
KILL_AFTER_S = 3.0
TURNS = frozenset({Action.ADVANCE, Action.ROLL_BACK, Action.FAIL})


class Stagehand:
    """Plays one act."""

    def __init__(self, home: Home, traffic: Traffic, screen: Screen, act: Act) -> None:
        """Prepare; nothing happens yet."""
        self._home = home
        self._traffic = traffic
        self._screen = screen
        self._act = act
        self._store = FileStore(home.rollout)
        self._begin = time.time()
        self._shown = 0
        self._resumption: Resumption | None = None

    def play(self) -> Outcome:
        """Start the rollout, watch it to its end, and return how it went.

        Raises:
            ActStuck: it had not ended in time.
        """
        self._screen.title(self._act.title)
        if self._act.spec:
            self._home.add_versions({self._act.canary: self._act.spec})
        self._shown = self._state().entries
        self._begin = time.time()
        self._start()
        rollout = self._watch(lambda seen: seen.ended and seen.settled)
        end = time.time()
        return Outcome(
            act=self._act,
            begin=self._begin,
            end=end,
            phase=rollout.phase.value,
            sentence=self._last_sentence(),
            stages=_stages(rollout, end),
            answers=self._traffic.answers(self._begin, end),
            resumption=self._resumption,
        )

    def _watch(self, is_over: Callable[[Rollout], bool]) -> Rollout:
        deadline = time.monotonic() + ACT_LIMIT_S
        while time.monotonic() < deadline:
            state = self._state()
            self._show(state)
            rollout = state.rollout
            if rollout and rollout.canary == self._act.canary:
                if is_over(rollout):
                    return rollout
                if self._time_to_kill(state, rollout):
                    self._kill_controller(state, rollout)
            time.sleep(POLL_S)
        raise ActStuck(self._act.title, ACT_LIMIT_S, self._home.log("controller"))

    def _start(self) -> None:
        command = Start(id=uuid4().hex, by="demo", at=time.time(), canary=self._act.canary, profile="fast")
        answer = Client(self._home.rollout).send(command)
        if not answer.ok:
            raise RolloutRefused(answer.message)

    def _show(self, state: State) -> None:
        for entry in state.history:
            if entry.number > self._shown:
                self._screen.entry(entry, since=self._begin)
                self._shown = entry.number
        if state.rollout:
            recent = self._traffic.answers(since=time.time() - WINDOW_S)
            self._screen.tick(self._act, state.rollout, state.latest, recent)

    def _time_to_kill(self, state: State, rollout: Rollout) -> bool:
        live = state.live_since
        return (
            self._act.kill_controller
            and self._resumption is None
            and rollout.weight >= KILL_AT_WEIGHT
            and live is not None
            and time.time() - live > KILL_AFTER_S
        )

    def _kill_controller(self, state: State, rollout: Rollout) -> None:
        pid = self._home.processes()["controller"].pid
        if pid is None:
            return
        os.kill(pid, signal.SIGKILL)
        killed_at = time.time()
        self._screen.line(f"{killed_at - self._begin:6.1f} s  kill -9 {pid}: the controller is gone")
        beaten = self._watch_beat(killed_at)
        resumed = self._state()
        after = resumed.rollout or rollout
        self._resumption = Resumption(
            down_s=beaten - killed_at,
            weight_before=rollout.weight,
            weight_after=after.weight,
            judged_before=state.ledger.ticks if state.ledger else 0,
            judged_after=resumed.ledger.ticks if resumed.ledger else 0,
        )

    def _watch_beat(self, since: float) -> float:
        deadline = time.monotonic() + ACT_LIMIT_S
        while time.monotonic() < deadline:
            beat = self._store.last_beat()
            if beat and beat["at"] > since:
                return float(beat["at"])
            time.sleep(POLL_S)
        raise ActStuck(self._act.title, ACT_LIMIT_S, self._home.log("controller"))

    def _state(self) -> State:
        state = self._store.load()
        if state is None:
            raise ControllerSilent(self._home.log("controller"))
        return state

    def _last_sentence(self) -> str:
        mine = [entry for entry in self._state().history if entry.canary == self._act.canary]
        moves = [entry for entry in mine if entry.action in TURNS and entry.weight_from != entry.weight_to]
        return moves[-1].sentence if moves else "no weight was moved"


def _stages(rollout: Rollout, end: float) -> tuple[Stage, ...]:
    return tuple(Stage(passed.weight, passed.since, passed.until or end) for passed in rollout.passed)

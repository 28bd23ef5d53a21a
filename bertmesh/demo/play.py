"""Plays one act of the demo: starts the rollout, watches it, and kills the controller if the act says so."""

import time
from uuid import uuid4

from bertmesh.demo.acts import Act, ActResult
from bertmesh.demo.facts import WeightPeriod
from bertmesh.demo.pace import Needs
from bertmesh.demo.proofs import OnFile, Succession, verdict_on, waited_s
from bertmesh.demo.screen import Screen
from bertmesh.demo.traffic import Traffic
from bertmesh.demo.venue import Venue
from bertmesh.errors import ActStuck, RolloutRefused
from canary.rollout.commands import Order
from canary.rollout.model import Rollout
from canary.rollout.state import State

POLL_S = 0.1
ANSWER_WITHIN_S = 60.0
KILL_AT_WEIGHT = 20
KILL_AFTER_S = 3.0
TAKES, AGAIN_AFTER_S = 4, 20.0
# A stable that is bad for so long has no incident: the machine has become slower than the rollout knows it.
SLOWER_AFTER_S = 45.0


class Stagehand:
    """Plays one act."""

    def __init__(self, venue: Venue, traffic: Traffic, needs: Needs, screen: Screen, act: Act) -> None:
        self._venue = venue
        self._traffic = traffic
        self._needs = needs
        self._screen = screen
        self._act = act
        self._written: list[int] = []
        self._begin = time.time()
        self._shown = 0
        self._killed: tuple[float, float, OnFile] | None = None

    def play(self) -> ActResult:
        """Start the rollout, watch it to its end, and return how it went.

        Where the machine becomes slower for good, nothing can be proved by what was usual before: the rollout
        is then begun again.

        Raises:
            ActStuck: it had not ended in time.
        """
        self._screen.line(f"\n[bold]{self._act.title}[/bold]")
        if self._act.spec:
            self._venue.add_version(self._act.canary, self._act.spec)
        self._shown = self._look().entries
        self._begin = time.time()
        takes = 1
        while (rollout := self._take(last=takes == TAKES)) is None:
            takes += 1
            time.sleep(AGAIN_AFTER_S)
        return self._outcome(rollout, takes)

    def _take(self, *, last: bool) -> Rollout | None:
        """Play once; return the rollout that has ended, or None if it was broken off."""
        self._written.clear()
        self._start()
        self._killed, broken_off, begin = None, False, time.time()
        while True:
            state = self._look()
            self._show(state)
            rollout = state.rollout
            if rollout and rollout.canary == self._act.canary:
                if rollout.ended and rollout.settled:
                    return None if broken_off else rollout
                if self._time_to_kill(state, rollout):
                    self._kill_controller()
                if not last and not broken_off and (why := self._senseless(state, rollout)):
                    broken_off = self._break_off(why)
            self._stop_if_stuck(begin)
            time.sleep(POLL_S)

    def _start(self) -> None:
        answer = self._venue.start(self._act.canary, ANSWER_WITHIN_S)
        if not answer.ok:
            raise RolloutRefused(answer.message)

    def _look(self) -> State:
        """Return the state, and note the canary's weight in the routes.

        The weight is read first: what was written follows from what had been stored before.
        """
        weight = self._venue.weight(self._act.canary)
        if self._written[-1:] != [weight]:
            self._written.append(weight)
        return self._venue.state()

    def _stop_if_stuck(self, begin: float) -> None:
        """Give up after what the act takes at the rate at which requests were really answered."""
        spent = time.time() - begin
        limit = self._needs.limit_s(self._traffic.pace.chosen)
        if spent > limit and spent > self._needs.limit_s(len(self._traffic.answers(begin)) / spent):
            raise ActStuck(self._act.title, spent, self._venue.log)

    def _senseless(self, state: State, rollout: Rollout) -> str:
        """Return why nothing can be proved by what was usual when the rollout began, or nothing."""
        if rollout.weighted and waited_s(OnFile.of(state).history, time.time()) > SLOWER_AFTER_S:
            return "the machine is slower than when this began"
        if not rollout.ended and self._act.hidden_by(rollout):
            return f"the machine stalls so that {self._act.slower_s} s more would not be told"
        return ""

    def _break_off(self, why: str) -> bool:
        order = Order(uuid4().hex, "demo", time.time(), "abort")
        taken_back = self._venue.client.send(order, within_s=ANSWER_WITHIN_S).ok
        if taken_back:
            self._screen.line(f"         {why}: once more in {AGAIN_AFTER_S:.0f} s, by what is usual then")
        return taken_back

    def _show(self, state: State) -> None:
        for entry in state.history:
            if entry.number > self._shown:
                self._screen.entry(entry, since=self._begin)
                self._shown = entry.number
        self._screen.tick(self._act, state, self._traffic, time.time())

    def _time_to_kill(self, state: State, rollout: Rollout) -> bool:
        wanted = self._act.kill_controller and not self._killed and rollout.weight >= KILL_AT_WEIGHT
        return wanted and state.live_since is not None and time.time() - state.live_since > KILL_AFTER_S

    def _kill_controller(self) -> None:
        killed = self._venue.kill_controller()
        if killed is None:
            return
        killed_at = time.time()
        before = OnFile.of(self._look())
        self._screen.line(f"{killed_at - self._begin:6.1f} s  kill -9 {killed}: the controller is gone")
        self._killed = killed_at, self._await_successor(killed), before

    def _await_successor(self, killed: str) -> float:
        """Return when another controller than ``killed`` gave its first sign of life."""
        begin = time.time()
        while (since := self._venue.successor(killed)) is None:
            self._stop_if_stuck(begin)
            time.sleep(POLL_S)
        return since

    def _outcome(self, rollout: Rollout, takes: int) -> ActResult:
        end, told = time.time(), OnFile.of(self._look())
        return ActResult(
            act=self._act,
            stable=rollout.stable,
            begin=self._begin,
            end=end,
            phase=rollout.phase.value,
            sentence=verdict_on(told.history),
            stages=tuple(WeightPeriod(it.weight, it.since, it.until or end) for it in rollout.passed),
            answers=self._traffic.answers(self._begin, end),
            history=told.history,
            written=tuple(self._written),
            succession=Succession(*self._killed, told) if self._killed else None,
            takes=takes,
        )

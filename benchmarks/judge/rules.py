"""The rules that are compared: ours, and those of Flagger, Argo Rollouts and Kayenta.

Each is written by us from the definitions that docs/judge.md cites. A rule sees one tick after the other and
says how much traffic the canary gets next.
"""

from collections import deque
from typing import Final, Protocol

import numpy as np

from benchmarks.judge.panel import ADVANCE, ROLL_BACK, Bools, Counts, Floats, Ints, Panel
from benchmarks.judge.ranks import lower_limit_exceeds
from benchmarks.judge.traffic import TICK_S, Traffic
from canary.judge.policy import Profile

RUNNING, PROMOTED, ROLLED_BACK = 0, 1, -1


class Rule(Protocol):
    """Moves many rollouts at once. Arrays are (runs,)."""

    outcome: Ints
    ended_at: Floats

    @property
    def weight(self) -> Ints:
        """The canary's weight, per cent."""
        ...

    def see(self, at: float, tick: Counts | None) -> None:
        """Take in a tick that ends ``at`` seconds after the first weight; None: the scrape failed."""
        ...


class Ending:
    """Keeps how and when each rollout ended."""

    def __init__(self, runs: int) -> None:
        self.outcome = np.zeros(runs, dtype=np.int64)
        self.ended_at = np.full(runs, np.inf)

    def end(self, which: Bools, outcome: int, at: float) -> None:
        """End those rollouts in ``which`` that still run."""
        fresh = which & (self.outcome == RUNNING)
        self.outcome = np.where(fresh, outcome, self.outcome)
        self.ended_at = np.where(fresh, at, self.ended_at)


class Ours(Ending):
    """This project's judge under one of its profiles."""

    def __init__(self, profile: Profile, traffic: Traffic) -> None:
        super().__init__(traffic.runs)
        self.panel = Panel(profile, traffic.runs, traffic.pods)
        ticks = round(profile.history_s / TICK_S)
        for k in range(ticks):
            self.panel.learn((k - ticks) * TICK_S, *traffic.history())
        self.panel.begin(0.0)

    @property
    def weight(self) -> Ints:
        """The weight of the present step."""
        return self.panel.weight

    def see(self, at: float, tick: Counts | None) -> None:
        """Observe, judge, move on."""
        if tick is not None:
            self.panel.observe(at, tick)
        verdict = self.panel.judge(at)
        last = self.panel.step == len(self.panel.profile.steps) - 1
        self.end(verdict == ROLL_BACK, ROLLED_BACK, at)
        self.end((verdict == ADVANCE) & last, PROMOTED, at)
        self.panel.advance((verdict == ADVANCE) & ~last, at)


class Windowed(Ending):
    """A rule over the canary's ticks of the last ``window_s`` seconds."""

    def __init__(self, runs: int, window_s: float) -> None:
        super().__init__(runs)
        self._last: deque[Counts] = deque(maxlen=round(window_s / TICK_S))

    def success(self, tick: Counts | None) -> Floats:
        """Return the canary's success rate in the window (a fraction), NaN without requests."""
        if tick is not None:
            self._last.append(tick)
        n = sum((each.pods_n.sum(axis=1) for each in self._last), np.zeros(len(self.outcome)))
        x = sum((each.pods_x.sum(axis=1) for each in self._last), np.zeros(len(self.outcome)))
        with np.errstate(invalid="ignore", divide="ignore"):
            rate: Floats = 1 - x / n
        return rate


def due(at: float, every_s: float) -> bool:
    """Tell whether a multiple of ``every_s`` has come."""
    return round(at) % round(every_s) == 0


class Flagger(Windowed):
    """A check a minute: success of at least 99 % over the last minute, rolled back after five failures."""

    EVERY_S, LEAST, THRESHOLD, STEP, MOST = 60.0, 0.99, 5, 10, 50

    def __init__(self, runs: int) -> None:
        super().__init__(runs, self.EVERY_S)
        self._weight = np.full(runs, self.STEP)
        self._failed = np.zeros(runs, dtype=np.int64)

    @property
    def weight(self) -> Ints:
        """The weight of the present step."""
        return self._weight

    def see(self, at: float, tick: Counts | None) -> None:
        """Check once a minute; no value is a failed check."""
        success = self.success(tick)
        if not due(at, self.EVERY_S):
            return
        self.end(self._failed >= self.THRESHOLD, ROLLED_BACK, at)
        passed = success >= self.LEAST
        self._failed = self._failed + ~passed
        self.end(passed & (self._weight >= self.MOST), PROMOTED, at)
        self._weight = np.where(passed & (self._weight < self.MOST), self._weight + self.STEP, self._weight)


class Argo(Windowed):
    """Every five minutes: success of at least 95 % between two scrapes; the fourth failure aborts."""

    EVERY_S, LEAST, LIMIT, STEP_S = 300.0, 0.95, 3, 600.0
    WEIGHTS: Final = np.array([20, 40, 60, 80])

    def __init__(self, runs: int) -> None:
        super().__init__(runs, TICK_S)
        self._step = 0
        self._failed = np.zeros(runs, dtype=np.int64)

    @property
    def weight(self) -> Ints:
        """The weight of the present step, the same for all."""
        return np.full(len(self.outcome), self.WEIGHTS[self._step])

    def see(self, at: float, tick: Counts | None) -> None:
        """Measure in the background from the second weight on; promote when the last pause is over."""
        success = self.success(tick)
        if self._step > 0 and due(at, self.EVERY_S):
            self._failed = self._failed + ~(success >= self.LEAST)
            self.end(self._failed > self.LIMIT, ROLLED_BACK, at)
        if due(at, self.STEP_S):
            if self._step == len(self.WEIGHTS) - 1:
                self.end(np.ones(len(self.outcome), dtype=np.bool_), PROMOTED, at)
            self._step = min(self._step + 1, len(self.WEIGHTS) - 1)


class Kayenta(Ending):
    """Mann-Whitney on error rates by the minute, judged after 30 and after 60 minutes at 10 %."""

    MINUTE_S, JUDGED_S, END_S = 60.0, 1800.0, 3600.0

    def __init__(self, runs: int) -> None:
        super().__init__(runs)
        self._minute: list[Counts] = []
        self._stable: list[Floats] = []
        self._canary: list[Floats] = []

    @property
    def weight(self) -> Ints:
        """10 % throughout."""
        return np.full(len(self.outcome), 10)

    def see(self, at: float, tick: Counts | None) -> None:
        """Gather minutes; judge twice."""
        if tick is not None:
            self._minute.append(tick)
        if due(at, self.MINUTE_S):
            self._close_minute()
        if not due(at, self.JUDGED_S):
            return
        high = lower_limit_exceeds(np.stack(self._canary, axis=1), np.stack(self._stable, axis=1))
        self.end(high, ROLLED_BACK, at)
        if at >= self.END_S:
            self.end(~high, PROMOTED, at)

    def _close_minute(self) -> None:
        zero = np.zeros(len(self.outcome))
        stable_n = sum((each.stable_n for each in self._minute), zero)
        stable_x = sum((each.stable_x for each in self._minute), zero)
        canary_n = sum((each.pods_n.sum(axis=1) for each in self._minute), zero)
        canary_x = sum((each.pods_x.sum(axis=1) for each in self._minute), zero)
        self._minute = []
        with np.errstate(invalid="ignore", divide="ignore"):
            self._stable.append(100 * stable_x / stable_n)
            self._canary.append(100 * canary_x / canary_n)

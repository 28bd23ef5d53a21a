"""Traffic for many rollouts at once: who asks how often, and what fails when."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.judge.panel import Bools, Counts, Floats, Ints
from mesh.policy import MAX_PERCENT

TICK_S: Final = 5.0


@dataclass(frozen=True)
class Scenario:
    """What happens to both versions; rates are fractions, times seconds.

    ``canary`` is the canary's own error rate. The rest is trouble that is nobody's fault: ``common`` bursts
    hit all pods alike; in bursts of its own, of which every pod (of either version) has one each
    ``lone_every_s`` on average, a pod fails a share ``lone`` of its requests; ``gap`` is the share of scrapes
    that fail, ``lag`` the share of the canary's requests that a scrape sees one tick late, ``cluster`` the
    mean number of failures that come together (a client that tries again).
    """

    name: str
    rps: float
    base: float
    canary: float
    common: bool = False
    lone: float = 0.0
    lone_every_s: float = 1200.0
    gap: float = 0.0
    lag: bool = False
    cluster: float = 1.0


BURST_EVERY_S: Final = 150.0
BURST_S: Final = 15.0
BURST_RATE: Final = 0.2


class Traffic:
    """Draws the counts of each tick; the same seed gives the same bursts and gaps to every rule."""

    def __init__(self, scenario: Scenario, runs: int, pods: int, seed: int) -> None:
        self.scenario, self.runs, self.pods = scenario, runs, pods
        self._rng = np.random.default_rng(seed)
        self._weather = np.random.default_rng(seed + 1)
        self._common = np.zeros((runs, 1))
        self._lone = np.zeros((runs, 2 * pods))
        self._late = np.zeros((2, runs, pods))
        self._waiting: Counts | None = None

    def history(self) -> tuple[Floats, Floats]:
        """Return requests and failures of the stable in one tick without a canary."""
        tick = self._tick(np.zeros(self.runs, dtype=np.int64))
        return tick.stable_n, tick.stable_x

    def tick(self, weight: Ints) -> Counts | None:
        """Return the counts since the last scrape, or None if this scrape failed."""
        counts = self._tick(weight)
        if self._waiting is not None:
            counts = self._waiting.plus(counts)
        failed = self._weather.random() < self.scenario.gap
        self._waiting = counts if failed else None
        return None if failed else counts

    def _tick(self, weight: Ints) -> Counts:
        scenario = self.scenario
        common = self._burst(self._common, BURST_EVERY_S if scenario.common else np.inf)
        lone = self._burst(self._lone, scenario.lone_every_s if scenario.lone else np.inf)
        share = weight / MAX_PERCENT
        stable = self._count(((1 - share) / self.pods)[:, None], scenario.base, common, lone[:, : self.pods])
        canary = self._count((share / self.pods)[:, None], scenario.canary, common, lone[:, self.pods :])
        canary = self._delayed(canary) if scenario.lag else canary
        return Counts(stable[0].sum(axis=1), stable[1].sum(axis=1), *canary)

    def _burst(self, left: Floats, every_s: float) -> Bools:
        """Return where a burst is on, and let time pass; ``left`` (seconds) is changed in place."""
        begins = self._weather.random(left.shape) < TICK_S / every_s
        left[:] = np.where((left <= 0) & begins, BURST_S, left - TICK_S)
        burning: Bools = left > 0
        return burning

    def _count(self, share: Floats, rate: float, common: Bools, lone: Bools) -> tuple[Floats, Floats]:
        """Return requests and failures by run and pod."""
        scenario = self.scenario
        asked = np.broadcast_to(share * scenario.rps * TICK_S, (self.runs, self.pods))
        n = self._rng.poisson(asked).astype(float)
        p = np.maximum(rate, np.where(common, BURST_RATE, 0.0) * np.ones((1, self.pods)))
        p = np.where(lone, np.maximum(p, scenario.lone), p)
        if scenario.cluster > 1:
            return self._clustered(n, p)
        return n, self._rng.binomial(n.astype(np.int64), p).astype(float)

    def _clustered(self, n: Floats, p: Floats) -> tuple[Floats, Floats]:
        """Return counts in which each failure is repeated a geometric number of times; the rate stays p."""
        seeds = self._rng.poisson(n * p / self.scenario.cluster)
        repeats = self._rng.negative_binomial(np.maximum(seeds, 1), 1 / self.scenario.cluster)
        x = (seeds + np.where(seeds > 0, repeats, 0)).astype(float)
        return np.maximum(n, x), x

    def _delayed(self, canary: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
        """Return what a scrape sees that is up to a tick late: nothing is lost, but it comes later."""
        n, x = canary[0].astype(np.int64), canary[1].astype(np.int64)
        share = self._weather.random((self.runs, 1))
        late_x = self._rng.binomial(x, share)
        late_good = self._rng.binomial(n - x, share)
        seen = n - late_x - late_good + self._late[0], x - late_x + self._late[1]
        self._late = np.stack([late_x + late_good, late_x]).astype(float)
        return seen


def at_margin(base: float, ratio: float, extra: float) -> float:
    """Return the error rate of a canary that is just as bad as the stated margin."""
    return min(1.0, ratio * base + extra)

"""The simulation judges as the shipped code does, on random traces."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.judge.panel import ADVANCE, HOLD, ROLL_BACK, Counts, Panel
from canary.judge.balance import fair_balance
from canary.judge.ledger import Ledger
from canary.judge.profiles import DEFAULT, ERRORS, LOW_TRAFFIC
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage
from canary.judge.verdict import Outcome
from canary.measure.counts import Counts as PodTotals
from canary.measure.counts import PodCounts, Tick

PROFILES = {
    name: replace(p, metrics=(replace(ERRORS, stated=p.metrics[0].stated),), fallback_s=100.0)
    for name, p in {"default": DEFAULT, "low-traffic": LOW_TRAFFIC}.items()
}
VERDICTS = {Outcome.HOLD: HOLD, Outcome.ADVANCE: ADVANCE, Outcome.ROLL_BACK: ROLL_BACK}
RUNS, TICKS, TICK_S = 6, 60, 5.0


class Shipped:
    """One rollout judged by the shipped code."""

    def __init__(self, name: str) -> None:
        self.profile = PROFILES[name]
        self.ledger = Ledger.empty(self.profile)
        self.step, self.since = 0, 0.0

    @property
    def stage(self) -> Stage:
        weights = [step.weight for step in self.profile.steps] + [100]
        return Stage(self.step, weights[self.step], weights[self.step + 1])

    def learn(self, at: float, n: int, x: int) -> None:
        tick = Tick(at, TICK_S, (PodCounts("s", {"errors": PodTotals(n, x)}),))
        self.ledger = self.ledger.observe(tick, self.profile, Stage())

    def judge(self, at: float, tick: Counts | None, run: int) -> tuple[int, float]:
        self.ledger = self.ledger.observe(_tick(at, tick, run), self.profile, self.stage)
        said = judge(self.ledger, self.profile, self.stage, Moment(at, at - self.since))
        verdict = VERDICTS[said.outcome]
        if verdict == ADVANCE and self.step < len(self.profile.steps) - 1:
            self.step, self.since = self.step + 1, at
        return verdict, fair_balance(self.ledger, self.profile).total


def _tick(at: float, tick: Counts | None, run: int) -> Tick:
    if tick is None:
        return Tick(at, TICK_S, fresh_stable=False, fresh_canary=False)
    pods = zip(tick.pods_n[run], tick.pods_x[run], strict=True)
    canary = tuple(PodCounts(f"c{k}", {"errors": PodTotals(int(n), int(x))}) for k, (n, x) in enumerate(pods))
    stable = PodTotals(int(tick.stable_n[run]), int(tick.stable_x[run]))
    return Tick(at, TICK_S, (PodCounts("s", {"errors": stable}),), canary)


def _counts(rng: np.random.Generator, weight: np.ndarray, pods: int, rate: float) -> Counts | None:
    """Draw a tick: sometimes none, sometimes with trouble on one side or on both."""
    if rng.random() < 0.05:
        return None
    volume = rng.choice([4, 60, 500])
    common = 0.2 if rng.random() < 0.05 else 0.0
    lone = np.where(rng.random((RUNS, pods)) < 0.03, 0.5, 0.0)
    stable_n = rng.poisson(volume * (100 - weight) / 100)
    pods_n = rng.poisson(np.repeat((volume * weight / 100 / pods)[:, None], pods, axis=1))
    stable_x = rng.binomial(stable_n, max(common, 0.005))
    pods_x = rng.binomial(pods_n, np.maximum(np.maximum(lone, common), rate))
    return Counts(*(each.astype(float) for each in (stable_n, stable_x, pods_n, pods_x)))


@pytest.mark.parametrize("profile", sorted(PROFILES))
@pytest.mark.parametrize("pods", [1, 2, 4])
@pytest.mark.parametrize("rate", [0.005, 0.03, 0.2])
def test_the_simulation_judges_as_the_shipped_code_does(profile: str, pods: int, rate: float) -> None:
    rng = np.random.default_rng([pods, round(1000 * rate)])
    panel, shipped = Panel(PROFILES[profile], RUNS, pods), [Shipped(profile) for _ in range(RUNS)]
    for k in range(20):
        n = rng.poisson(200.0, RUNS)
        x = rng.binomial(n, 0.2 if k == 11 else 0.005)
        panel.learn((k - 20) * TICK_S, n.astype(float), x.astype(float))
        for run, one in enumerate(shipped):
            one.learn((k - 20) * TICK_S, int(n[run]), int(x[run]))
    panel.begin(0.0)
    for k in range(1, TICKS):
        at = k * TICK_S
        tick = _counts(rng, panel.weight, pods, rate)
        if tick is not None:
            panel.observe(at, tick)
        verdicts = panel.judge(at)
        expected = [one.judge(at, tick, run) for run, one in enumerate(shipped)]
        assert list(verdicts) == [verdict for verdict, _ in expected]
        assert panel.evidence == pytest.approx([evidence for _, evidence in expected], rel=1e-9)
        panel.advance((verdicts == ADVANCE) & (panel.step < len(panel.profile.steps) - 1), at)

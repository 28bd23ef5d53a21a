"""Running rules over traffic, and counting how they ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import beta

from benchmarks.judge.cells import Cell
from benchmarks.judge.rules import PROMOTED, ROLLED_BACK, RUNNING, Argo, Flagger, Kayenta, Ours, Rule
from benchmarks.judge.traffic import TICK_S, Traffic

RULES: Final[Mapping[str, Callable[[Cell, Traffic], Rule]]] = {
    "bertmesh": lambda cell, traffic: Ours(cell.profile, traffic),
    "Flagger": lambda _, traffic: Flagger(traffic.runs),
    "Argo Rollouts": lambda _, traffic: Argo(traffic.runs),
    "Kayenta": lambda _, traffic: Kayenta(traffic.runs),
}
CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Share:
    """How many of all runs ended in one way."""

    count: int
    runs: int

    @property
    def limits(self) -> tuple[float, float]:
        """The Clopper-Pearson limits of the share (fractions)."""
        tail = (1 - CONFIDENCE) / 2
        k, n = self.count, self.runs
        low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
        high = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
        return low, high

    def __str__(self) -> str:
        low, high = (100 * limit for limit in self.limits)
        return f"{100 * self.count / self.runs:.1f} ({low:.1f}-{high:.1f})"


@dataclass(frozen=True)
class Result:
    """How the runs of one cell ended under one rule; times in seconds, NaN if none ended so."""

    cell: Cell
    rule: str
    promoted: Share
    rolled_back: Share
    promoted_s: float
    rolled_back_s: float
    slowest_s: float


def simulate(cell: Cell, rule: str, runs: int, seed: int) -> Result:
    """Run one rule over the traffic of one cell."""
    traffic = Traffic(cell.scenario, runs, cell.pods, seed)
    judged = RULES[rule](cell, traffic)
    for k in range(1, round(cell.horizon_s / TICK_S) + 1):
        judged.see(k * TICK_S, traffic.tick(judged.weight))
        if not (judged.outcome == RUNNING).any():
            break
    back = judged.ended_at[judged.outcome == ROLLED_BACK]
    promoted = judged.ended_at[judged.outcome == PROMOTED]
    return Result(
        cell,
        rule,
        Share(len(promoted), runs),
        Share(len(back), runs),
        float(np.median(promoted)) if len(promoted) else float("nan"),
        float(np.median(back)) if len(back) else float("nan"),
        float(back.max()) if len(back) else float("nan"),
    )

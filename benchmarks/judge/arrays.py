"""Why the judge's formulas stand twice: over numbers for one rollout, over arrays for thousands.

``python -m benchmarks.judge.arrays`` times a tick of HARM both ways, for one rollout and for many.
"""

import timeit
from collections.abc import Callable

import numpy as np

from benchmarks.judge.panel import Counts, log_harm
from canary.judge import statistics
from canary.judge.policy import Margin
from canary.measure.counts import Pair

TOLERATED = Margin(1.1, 0.01)
PAIR = Pair(475, 2, 25, 3)
MANY = 2000
REPEATS = 5


def plain(rollouts: int) -> None:
    """Weigh one tick of each rollout, one after the other, as the controller does."""
    for _ in range(rollouts):
        for alternative in statistics.HARM_GRID:
            statistics.log_harm(PAIR, alternative, TOLERATED.ratio, TOLERATED.added)


def arrays(rollouts: int) -> None:
    """Weigh one tick of all rollouts at once, as the simulation does."""
    n_s, x_s, n_c, x_c = (np.full(rollouts, float(count)) for count in PAIR)
    log_harm(Counts(n_s, x_s, n_c[:, None], x_c[:, None]), n_c[:, None], x_c[:, None], TOLERATED)


def main() -> None:
    """Print how many times as long arrays take for one rollout, and numbers for many."""
    one = seconds(lambda: arrays(1)) / seconds(lambda: plain(1))
    many = seconds(lambda: plain(MANY)) / seconds(lambda: arrays(MANY))
    print(f"a tick of one rollout: arrays take {one:.1f} times as long as plain numbers")
    print(f"a tick of {MANY:,} rollouts: plain numbers take {many:.0f} times as long as arrays")


def seconds(work: Callable[[], None]) -> float:
    """Return the best time of one call."""
    calls, _ = timeit.Timer(work).autorange()
    return min(timeit.repeat(work, number=calls, repeat=REPEATS)) / calls


if __name__ == "__main__":
    main()

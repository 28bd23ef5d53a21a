"""What becomes of canaries that disagree at known rates in a rehearsal: simulated with the judge itself.

Run it as ``python -m benchmarks.shadow_rehearsal``. Ten copies are compared in each tick of 5 s; the last
column of the table counts rehearsals that still wait after ten minutes, when the fallback begins.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random
from statistics import median

from canary.judge.ledger import Ledger
from canary.judge.profiles import DEFAULT, shadowed
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage
from canary.judge.verdict import Outcome
from canary.measure.counts import Counts, PodCounts, Tick

RATES = (0.0, 0.01, 0.03, 0.05, 0.07, 0.10, 0.20, 0.50, 1.0)
RUNS = 1000
COPIES = 10
PROFILE = shadowed(DEFAULT, 100)
STAGE = Stage(next_weight=5, mirror=100)


def main() -> None:
    """Simulate and print the table."""
    print("| disagrees | rolled back | goes on | waits | copies to the end (median) |\n|---|---|---|---|---|")
    for rate in RATES:
        print(row(rate, [rehearsal(rate, Random(seed)) for seed in range(RUNS)]), flush=True)


def row(rate: float, ends: Sequence[tuple[Outcome, int]]) -> str:
    """Return one line of the table."""
    counts = Counter(outcome for outcome, _ in ends)
    back, on, waits = (
        counts[each] / len(ends) for each in (Outcome.ROLL_BACK, Outcome.ADVANCE, Outcome.HOLD)
    )
    return (
        f"| {rate:.0%} | {back:.1%} | {on:.1%} | {waits:.1%} | {median(copies for _, copies in ends):.0f} |"
    )


def rehearsal(rate: float, random: Random) -> tuple[Outcome, int]:
    """Return how a rehearsal ends within the time before the fallback, and after how many copies."""
    known, tick_s = Ledger.empty(PROFILE), PROFILE.tick_s
    outcome, ticks = Outcome.HOLD, int(PROFILE.fallback_s / tick_s)
    for number in range(1, ticks):
        differed = sum(random.random() < rate for _ in range(COPIES))
        at = number * tick_s
        stable = PodCounts("stable", {"errors": Counts(100, 0)}, 1000.0)
        canary = PodCounts("canary", {"shadow": Counts(COPIES, differed)}, 1000.0)
        known = known.observe(Tick(at, tick_s, (stable,), (canary,)), PROFILE, STAGE)
        outcome = judge(known, PROFILE, STAGE, Moment(at, at)).outcome
        if outcome is not Outcome.HOLD:
            return outcome, number * COPIES
    return outcome, (ticks - 1) * COPIES


if __name__ == "__main__":
    main()

"""Short ways to write ticks, ledgers and profiles."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from canary.judge.ledger import Ledger
from canary.judge.policy import Profile
from canary.judge.profiles import DEFAULT, ERRORS
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage
from canary.judge.verdict import Verdict
from canary.measure.counts import Counts, PodCounts, Tick

ERRORS_ONLY = replace(DEFAULT, metrics=(ERRORS,))
FIRST = Stage(0, 5, 20)
SECOND = Stage(1, 20, 50)
LAST = Stage(2, 50, 100)
BAKE = Stage(3, 100, 100)
TICK_S = 5.0
HISTORY = 120

Numbers = tuple[int, int, int, int]


def tick(at: float, numbers: Numbers, metric: str = "errors", seconds: float = TICK_S) -> Tick:
    """Return a tick of one stable and one canary pod."""
    n_s, x_s, n_c, x_c = numbers
    stable = PodCounts("stable-a", {metric: Counts(n_s, x_s)}, 1000.0)
    canary = PodCounts("canary-a", {metric: Counts(n_c, x_c)}, 1000.0)
    return Tick(at, seconds, (stable,), (canary,))


def pod_tick(at: float, stable: tuple[int, int], canary: Mapping[str, tuple[int, int]]) -> Tick:
    """Return a tick with several canary pods, errors only."""
    pods = tuple(PodCounts(pod, {"errors": Counts(*counts)}, 1000.0) for pod, counts in canary.items())
    return Tick(at, TICK_S, (PodCounts("stable-a", {"errors": Counts(*stable)}, 1000.0),), pods)


def after_history(profile: Profile = ERRORS_ONLY, numbers: tuple[int, int] = (500, 1)) -> Ledger:
    """Return the ledger after ten minutes of the stable alone, the last tick at 595 s."""
    ledger = Ledger.empty(profile)
    for k in range(HISTORY):
        ledger = ledger.observe(tick(TICK_S * k, (*numbers, 0, 0)), profile, Stage())
    return ledger


def observed(
    ledger: Ledger, ticks: Iterable[Tick], profile: Profile = ERRORS_ONLY, stage: Stage = FIRST
) -> Ledger:
    """Return the ledger after ticks."""
    for each in ticks:
        ledger = ledger.observe(each, profile, stage)
    return ledger


def ticks_of(numbers: Iterable[Numbers], begin: float = 600.0) -> list[Tick]:
    """Return ticks that follow the history; the first one ends at ``begin``."""
    return [tick(begin + TICK_S * k, each) for k, each in enumerate(numbers)]


def verdict(
    numbers: Iterable[Numbers],
    *,
    profile: Profile = ERRORS_ONLY,
    stage: Stage = FIRST,
    elapsed: float | None = None,
) -> Verdict:
    """Return the verdict after ticks that follow the history; elapsed is what they last unless given."""
    ticks = ticks_of(numbers)
    ledger = observed(after_history(profile), ticks, profile, stage)
    seconds = TICK_S * len(ticks) if elapsed is None else elapsed
    return judge(ledger, profile, stage, Moment(ticks[-1].at, seconds))

"""What is simulated: cells of traffic, and the trouble they are put under."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.judge.traffic import Scenario, at_margin
from canary.judge.policy import Profile
from canary.judge.profiles import DEFAULT, LOW_TRAFFIC

RATES: Final = (1.0, 10.0, 100.0, 1000.0)
BASES: Final = (0.001, 0.005, 0.02)
KINDS: Final = ("equal", "at the margin", "x2", "x5", "dead")
OTHERS: Final = {"slow": (0.005, 0.02), "lowconf": (0.05, 0.3)}
"""Base rates: the edge is the bucket's nearest to 1 %, and up to a third of the masks may be hard."""
HORIZON_S: Final = 7200.0
SLOW_HORIZON_S: Final = 4 * 3600.0
LOW_TRAFFIC_BELOW_RPS: Final = 5.0


@dataclass(frozen=True)
class Cell:
    """A scenario, the kind of canary in it, and for how long it is watched (seconds)."""

    scenario: Scenario
    kind: str
    profile: Profile
    horizon_s: float
    pods: int = 2


def alone(profile: Profile, name: str = "errors") -> Profile:
    """Return a profile that judges one metric: all of the evidence is its."""
    return replace(profile, metrics=tuple(metric for metric in profile.metrics if metric.name == name))


def main_cells() -> Iterator[Cell]:
    """Yield the cells of the main table."""
    for rps in RATES:
        slow = rps < LOW_TRAFFIC_BELOW_RPS
        profile = alone(LOW_TRAFFIC if slow else DEFAULT)
        for base in BASES:
            for kind in KINDS:
                scenario = Scenario(f"{rps:g} rps, {100 * base:g} %", rps, base, rate_of(kind, base, profile))
                yield Cell(scenario, kind, profile, SLOW_HORIZON_S if slow else HORIZON_S)


def other_cells() -> Iterator[Cell]:
    """Yield cells in which the bad events are slow answers, or answers of low confidence."""
    for name, bases in OTHERS.items():
        for rps in RATES:
            slow = rps < LOW_TRAFFIC_BELOW_RPS
            profile = alone(LOW_TRAFFIC if slow else DEFAULT, name)
            for base in bases:
                for kind in ("equal", "at the margin", "dead"):
                    title = f"{name}, {rps:g} rps, {100 * base:g} %"
                    scenario = Scenario(title, rps, base, rate_of(kind, base, profile))
                    yield Cell(scenario, kind, profile, SLOW_HORIZON_S if slow else HORIZON_S)


def stress_cells() -> Iterator[Cell]:
    """Yield good canaries, canaries at the margin and dead ones under trouble that is nobody's fault."""
    profile = alone(DEFAULT)
    calm = Scenario("", 100.0, 0.005, 0.005)
    troubles = (
        (replace(calm, name="common bursts: 20 % fail everywhere for 15 s, every 150 s", common=True), 2),
        (replace(calm, name="one pod of four: 20 % fail for 15 s, hourly", lone=0.2, lone_every_s=3600.0), 4),
        (replace(calm, name="one pod of four: 50 % fail for 15 s, every 20 min", lone=0.5), 4),
        (replace(calm, name="gaps: 30 % of the scrapes fail", gap=0.3), 2),
        (replace(calm, name="lag: the canary's counts come up to 5 s late", lag=True), 2),
        (replace(calm, name="lag and common bursts", lag=True, common=True), 2),
        (replace(calm, name="clusters: failures come three at a time", cluster=3.0), 2),
        (replace(calm, name="clusters: failures come ten at a time", cluster=10.0), 2),
    )
    for scenario, pods in troubles:
        for kind in ("equal", "at the margin", "dead"):
            rate = rate_of(kind, scenario.base, profile)
            yield Cell(replace(scenario, canary=rate), kind, profile, HORIZON_S, pods)


def rate_of(kind: str, base: float, profile: Profile) -> float:
    """Return the error rate of a kind of canary."""
    stated = profile.metrics[0].stated
    rates = {
        "equal": base,
        "at the margin": at_margin(base, stated.ratio, stated.added),
        "x2": 2 * base,
        "x5": 5 * base,
        "dead": 1.0,
    }
    return rates[kind]

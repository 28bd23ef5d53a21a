"""How fast the demo sends, and how long it waits: both follow from what the machine carries. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import quantiles
from typing import Final, Self

from canary.judge.claims import claims, forecast
from canary.judge.evidence import MetricEvidence
from canary.judge.policy import Metric, Profile
from canary.judge.stage import Stage
from mesh.policy import MAX_PERCENT

MOST: Final = 60.0
"""Requests a second: with more an act would not end sooner, for then its soaks last longest."""
LEAST: Final = 4.0
"""Requests a second, however little the machine carries: with fewer no latency could be called slow."""
SHARE: Final = 0.5
"""Of what the machine carries: starting pods and what else runs need the rest."""
FULL: Final = 3.0
"""So many requests under way at once say that the machine is full, for it is measured with four."""
EASE, RECOVER = 0.7, 1.15
GENEROUS: Final = 4.0
"""An act is given up after so many times the seconds that it should take."""
FEW: Final = 2


@dataclass(frozen=True)
class Capacity:
    """What a few clients that never pause got: answers a second, and the median seconds of an answer."""

    clients: int
    per_s: float
    median_s: float

    @property
    def rate(self) -> float:
        """The requests a second to ask for."""
        return min(MOST, max(LEAST, SHARE * self.per_s))

    def words(self) -> str:
        """Say what was measured and what follows."""
        seen = (
            f"this machine carries {self.per_s:.0f} requests/s of review sentences "
            f"({self.clients} clients that never pause, half of the answers within "
            f"{1000 * self.median_s:.0f} ms)"
        )
        match self.rate:
            case rate if rate == MOST:
                return f"{seen}: {MOST:g} requests/s are sent, more would bring no act to its end sooner"
            case rate if rate == LEAST:
                return f"{seen}: that is very little, {LEAST:g} requests/s are sent all the same"
            case rate:
                return f"{seen}: half of that is sent, {rate:.0f} requests/s"


@dataclass(frozen=True)
class Look:
    """What the last second said: the requests under way at once, and whether any could not be sent."""

    at_once: float
    stuck: bool


def look(recent: Sequence[float], seconds: float, *, waiting: int, left_out: int) -> Look:
    """Return the look at the seconds that ``recent`` answers took, which all came in the last ``seconds``.

    By Little's law their number times their time are the requests under way at once. The time is that of the
    quicker answers, for a slow canary may have given the others: busy machines delay all alike.
    """
    usual = quantiles(recent, n=4)[0] if len(recent) >= FEW else sum(recent)
    stuck = left_out > 0 or (waiting > FULL and not recent)
    return Look(len(recent) * usual / seconds, stuck)


@dataclass(frozen=True)
class Pace:
    """The chosen requests a second, how many are sent now, and the fewest that ever were (0: always all)."""

    chosen: float
    rate: float
    eased_to: float = 0.0

    def after(self, seen: Look) -> Self:
        """Return the pace after a look: less on a full machine, slowly back to the chosen one otherwise."""
        if not seen.stuck and seen.at_once <= FULL:
            return replace(self, rate=min(self.chosen, self.rate * RECOVER))
        rate = max(min(LEAST, self.chosen), self.rate * EASE)
        return replace(self, rate=rate, eased_to=min(rate, self.eased_to or rate))


@dataclass(frozen=True)
class Needs:
    """What an act takes: seconds for the pods to start, seconds of soaks, requests for the evidence."""

    start_s: float
    soak_s: float
    requests: float

    @classmethod
    def of(cls, profile: Profile, start_s: float) -> Self:
        """Return what a good canary takes under a profile, beside pods that start in ``start_s``."""
        soak_s = sum(step.soak_s for step in profile.steps) + profile.bake_s
        return cls(start_s, soak_s, requests_needed(profile))

    def seconds(self, rate: float) -> float:
        """Return how long an act should take at ``rate`` requests a second."""
        return self.start_s + self.soak_s + self.requests / max(rate, LEAST)

    def limit_s(self, rate: float) -> float:
        """Return after how many seconds an act at ``rate`` requests a second is given up."""
        return GENEROUS * self.seconds(rate)


def requests_needed(profile: Profile) -> float:
    """Return how many requests prove a good canary at all steps, by the judge's own forecast.

    All bad events are taken to cluster as much as the profile allows for.
    """
    weights = [step.weight for step in profile.steps]
    stages = [Stage(number, *pair) for number, pair in enumerate(pairwise([*weights, MAX_PERCENT]))]
    return profile.phi_max * sum(
        _canary_requests(profile, stage) * MAX_PERCENT / stage.weight for stage in stages
    )


def _canary_requests(profile: Profile, stage: Stage) -> int:
    required = (metric for metric in profile.metrics if metric.required)
    return max(_until_proved(metric, profile, stage) for metric in required)


def _until_proved(metric: Metric, profile: Profile, stage: Stage) -> int:
    nothing = MetricEvidence(metric.name)
    first = claims(nothing, metric, profile, stage)[0]
    foreseen = forecast(first, nothing, stage, profile.phi_max)
    return foreseen.requests if foreseen else 0

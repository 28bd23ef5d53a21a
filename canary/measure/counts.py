"""What one scrape says: counts per pod of both versions in the same interval."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_PERCENT: Final = 100
"""The whole, where a share is given in per cent."""


class Pair(NamedTuple):
    """Requests and bad events of both versions in one interval."""

    stable_n: int
    stable_x: int
    canary_n: int
    canary_x: int


@dataclass(frozen=True)
class Counts:
    """Requests, and the bad ones among them (never more than there were requests)."""

    requests: int = 0
    bad: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.bad <= self.requests:
            message = f"bad events are a part of the requests, got {self.bad} of {self.requests}"
            raise ValueError(message)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.requests + other.requests, self.bad + other.bad)


@dataclass(frozen=True)
class PodCounts:
    """Counts of one pod by metric name; pod "" is what no pod alone has caused.

    ``age_s`` is for how long the pod had been answering when the interval began.
    """

    pod: str
    metrics: Mapping[str, Counts]
    age_s: float = 0.0


@dataclass(frozen=True)
class Tick:
    """Everything measured in the interval of ``seconds`` that ends at ``at`` (Unix seconds).

    A tick is only evidence if both versions have a new sample. ``stable_seen`` and ``canary_seen`` count the
    requests that the gateway sent to each, answered or not.
    """

    at: float
    seconds: float
    stable: tuple[PodCounts, ...] = ()
    canary: tuple[PodCounts, ...] = ()
    fresh_stable: bool = True
    fresh_canary: bool = True
    canary_seen: int = 0
    stable_seen: int = 0

    def pair(self, metric: str, *, skip_young_s: float = 0.0, without: str | None = None) -> Pair:
        """Return the counts of a metric, leaving out young canary pods and perhaps one canary pod."""
        stable = total(metric, self.stable)
        canary = total(metric, self.grown(skip_young_s, without))
        return Pair(stable.requests, stable.bad, canary.requests, canary.bad)

    def grown(self, skip_young_s: float, without: str | None = None) -> tuple[PodCounts, ...]:
        """Return the canary pods that are old enough to be judged (failures of no pod always are)."""
        return tuple(p for p in self.canary if p.pod != without and (p.pod == "" or p.age_s >= skip_young_s))


def better_half(metric: str, tick: Tick, skip_young_s: float) -> Pair:
    """Return a tick with the better half of the canary's requests: those of the pods with the lowest rates.

    Of the pod on the boundary a part counts, and of its bad events as many in proportion, rounded down.
    """
    stable, whole = total(metric, tick.stable), total(metric, tick.grown(skip_young_s))
    pods = (pod.metrics.get(metric, Counts()) for pod in tick.grown(skip_young_s))
    half, bad = (whole.requests + 1) // 2, 0
    left = half
    for counts in sorted(filter(lambda each: each.requests, pods), key=_rate):
        taken = min(left, counts.requests)
        left, bad = left - taken, bad + counts.bad * taken // counts.requests
    return Pair(stable.requests, stable.bad, half, bad)


def _rate(counts: Counts) -> tuple[float, int]:
    return counts.bad / counts.requests, counts.requests


def total(metric: str, pods: Iterable[PodCounts]) -> Counts:
    """Add up one metric over pods."""
    return sum((pod.metrics.get(metric, Counts()) for pod in pods), Counts())

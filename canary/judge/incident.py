"""Common incidents: the stable version itself goes bad, so that nothing can be blamed on the canary."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from canary.measure.counts import Counts

MIN_BAD: Final = 10
MIN_REFERENCE: Final = 100
TIMES: Final = 3.0
POINTS: Final = 0.05
MAX_RECENT: Final = 120


@dataclass(frozen=True)
class Recent:
    """A stable tick of the window."""

    at: float
    requests: int
    bad: int
    incident: bool


@dataclass(frozen=True)
class StableWatch:
    """The stable's usual rate, from older ticks that were no incident, and its last ticks.

    What is "older" is the window's length, a minute unless the profile says otherwise.
    """

    requests: int = 0
    bad: int = 0
    recent: tuple[Recent, ...] = ()

    @property
    def incident(self) -> bool:
        """Whether the last tick was part of an incident."""
        return bool(self.recent) and self.recent[-1].incident

    @property
    def reference(self) -> float | None:
        """The usual rate of bad events as a fraction, or None before 100 requests are known."""
        return (self.bad + 0.5) / (self.requests + 100) if self.requests >= MIN_REFERENCE else None

    def observe(self, at: float, tick: Counts, window_s: float) -> Self:
        """Return the watch after one more stable tick that ended at ``at`` (Unix seconds)."""
        old = [r for r in self.recent if r.at <= at - window_s]
        young = [r for r in self.recent if r.at > at - window_s]
        usual = [r for r in old if not r.incident]
        grown = replace(
            self,
            requests=self.requests + sum(r.requests for r in usual),
            bad=self.bad + sum(r.bad for r in usual),
        )
        latest = sum((Counts(r.requests, r.bad) for r in young), tick)
        incident = any(grown.is_alarming(counts) for counts in (tick, latest))
        newest = Recent(at, tick.requests, tick.bad, incident)
        return replace(grown, recent=(*_merged(young), newest))

    def is_alarming(self, counts: Counts) -> bool:
        """Tell whether so many bad events are far above the usual rate."""
        reference = self.reference
        if reference is None or counts.bad < MIN_BAD:
            return False
        return counts.bad / counts.requests >= max(TIMES * reference, reference + POINTS)

    def latest(self) -> Counts:
        """Return the counts of the window."""
        return sum((Counts(r.requests, r.bad) for r in self.recent), Counts())


def _merged(recent: Iterable[Recent]) -> tuple[Recent, ...]:
    """Keep the ring bounded under very short ticks by joining the two oldest entries."""
    ring = tuple(recent)
    if len(ring) < MAX_RECENT:
        return ring
    a, b, *rest = ring
    joined = Recent(b.at, a.requests + b.requests, a.bad + b.bad, a.incident or b.incident)
    return (joined, *rest)

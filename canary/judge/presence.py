"""Who was heard of lately: tells "no data" from "the canary is silent"."""

from dataclasses import dataclass, replace
from typing import Final, Self

from canary.judge.stage import Stage
from canary.measure.counts import MAX_PERCENT, Tick, total

MIN_EXPECTED: Final = 20.0
"""A canary is silent only if the stable's traffic lets this many requests be expected of it."""
TRAFFIC: Final = "errors"
"""The metric whose requests are all the requests."""


def is_fresh(tick: Tick, weight: int) -> bool:
    """Tell whether every version that carries traffic has a new sample."""
    return (tick.fresh_stable or weight >= MAX_PERCENT) and (tick.fresh_canary or weight == 0)


@dataclass(frozen=True)
class Presence:
    """When samples and canary requests were last seen (Unix seconds), and what was to be expected since.

    ``watched_at`` is the end of the last tick with a sample of the stable. ``pending`` is the expectation
    from ticks that were no evidence yet: their counts come again in the next fresh tick, so they are
    replaced, not added.
    """

    fresh_at: float | None = None
    watched_at: float | None = None
    canary_at: float | None = None
    expected: float = 0.0
    pending: float = 0.0

    def observe(self, tick: Tick, stage: Stage) -> Self:
        """Return what is known after one more tick at a weight step."""
        weight = stage.weight
        fresh = is_fresh(tick, weight)
        known = replace(self, fresh_at=tick.at) if fresh or self.fresh_at is None else self
        if not weight:
            return known
        if tick.fresh_stable:
            known = replace(known, watched_at=tick.at)
        if not stage.live or total(TRAFFIC, tick.canary).requests or tick.canary_seen:
            return replace(known, canary_at=tick.at, expected=0.0, pending=0.0)
        since = tick.at - tick.seconds if self.canary_at is None else self.canary_at
        due = _expected(tick, weight)
        if fresh:
            return replace(known, canary_at=since, expected=self.expected + due, pending=0.0)
        return replace(known, canary_at=since, pending=due if tick.fresh_stable else self.pending)

    @property
    def silent_for(self) -> float:
        """For how many watched seconds the canary has been silent although it should have been heard."""
        if self.canary_at is None or self.watched_at is None or self.expected + self.pending < MIN_EXPECTED:
            return 0.0
        return self.watched_at - self.canary_at

    def blind_for(self, at: float) -> float:
        """Return for how many seconds there has been no fresh sample."""
        return 0.0 if self.fresh_at is None else at - self.fresh_at


def _expected(tick: Tick, weight: int) -> float:
    if weight >= MAX_PERCENT:  # nothing to compare with: the stable gets no requests
        return 0.0
    return total(TRAFFIC, tick.stable).requests * weight / (MAX_PERCENT - weight)

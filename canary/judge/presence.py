"""Who was heard of lately: tells "no data" from "the canary is silent" and from "nobody counts it"."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Self

from canary.judge.stage import Stage
from canary.measure.counts import MAX_PERCENT, PodCounts, Tick, total

MIN_EXPECTED: Final = 20.0
"""A canary is silent only if the stable's traffic lets this many requests be expected of it; a version is
uncounted only if the gateway sent it this many."""
TRAFFIC: Final = "errors"
"""The metric whose requests are all the requests."""


def is_fresh(tick: Tick, weight: int) -> bool:
    """Tell whether every version that carries traffic has a new sample."""
    return (tick.fresh_stable or weight >= MAX_PERCENT) and (tick.fresh_canary or weight == 0)


@dataclass(frozen=True)
class Uncounted:
    """Requests that the gateway sent to a version since an answer of it was counted (Unix seconds).

    ``pending`` are those of ticks that were no evidence yet: they come again in the next fresh tick, so they
    are replaced, not added.
    """

    sent: int = 0
    pending: int = 0
    since: float | None = None

    def observe(self, tick: Tick, pods: Iterable[PodCounts], sent: int, *, fresh: bool) -> Self:
        """Return what is known after one more tick, in which the gateway sent ``sent`` requests."""
        if total(TRAFFIC, pods).requests:
            return type(self)()
        if not sent and not self.requests:
            return self
        since = tick.at - tick.seconds if self.since is None else self.since
        settled, pending = (self.sent + sent, 0) if fresh else (self.sent, sent)
        return type(self)(settled, pending, since)

    @property
    def requests(self) -> int:
        """How many there are."""
        return self.sent + self.pending

    def seconds(self, at: float) -> float:
        """Return for how long nothing was counted, 0 if too little was sent to say so."""
        return 0.0 if self.since is None or self.requests < MIN_EXPECTED else at - self.since


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
    stable_uncounted: Uncounted = field(default_factory=Uncounted)
    canary_uncounted: Uncounted = field(default_factory=Uncounted)

    def observe(self, tick: Tick, stage: Stage) -> Self:
        """Return what is known after one more tick at a weight step."""
        weight = stage.weight
        fresh = is_fresh(tick, weight)
        known = replace(
            self,
            fresh_at=tick.at if fresh or self.fresh_at is None else self.fresh_at,
            stable_uncounted=self.stable_uncounted.observe(tick, tick.stable, tick.stable_seen, fresh=fresh),
            canary_uncounted=self.canary_uncounted.observe(tick, tick.canary, tick.canary_seen, fresh=fresh),
        )
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

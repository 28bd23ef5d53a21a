"""The router, and the proof from the proxies' own counts that a weight has reached them.

The API server having a route says nothing of the proxies. So after a change the requests that the gateway
sent to each version are counted again, and the new weight is proved when these counts are 20 times likelier
under it than under the former one. Where that cannot be told (a match sends only some requests through
this route), a canary that was heard of is believed after ``patience_s``. The way to the stable is not kept
waiting: it is believed after ``drain_s`` even without counts, because pods that are to go must not wait for
Prometheus.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from canary.cluster.errors import Unreachable
from canary.controller.ports import Clock, Metrics, NotYetLive
from canary.errors import MetricsDown
from canary.measure.counters import CounterSnapshot, Cursor, Kind, growth
from canary.measure.counts import MAX_PERCENT
from mesh.cluster.errors import ApiDown, KindMissing, NotOurs
from mesh.cluster.router import Applied, ClusterRouter
from mesh.errors import MeshError
from mesh.model import Split

LIKELIER: Final = math.log(20.0)
LEAST: Final = 0.001
"""The least share that is reckoned with: a request with a version pin may come at any weight."""
SENT: Final = frozenset({Kind.ROUTED, Kind.UNREACHED, Kind.GIVEN_UP})


@dataclass
class Trial:
    """The counting since a split was written.

    ``other`` is the version beside the stable one, now or before; ``before`` its former share, ``since`` when
    the counting began (Unix seconds).
    """

    split: Split
    other: str
    before: float
    since: float
    start: CounterSnapshot | None = None


@dataclass
class ProvedRouter:
    """Adapts the cluster's router: ``moved`` is told of each change that was written.

    ``hopeless`` says that the route is not ours to write.
    """

    router: ClusterRouter
    metrics: Metrics
    clock: Clock
    moved: Callable[[Split, Applied], None]
    proved: Split | None = None
    drain_s: float = 10.0
    patience_s: float = 120.0
    hopeless: bool = False
    _trial: Trial | None = None

    def split(self) -> Split:
        """Return the split that the route holds.

        Raises:
            Unreachable: the API is away, which says nothing about the route.
            MeshError: there is none that can be read.
        """
        try:
            return self.router.split()
        except ApiDown as error:
            raise Unreachable(str(error)) from error

    def apply(self, split: Split) -> Applied:
        """Write a split, and return once the proxies' counts show it.

        Raises:
            NotYetLive: it is written; the proof needs more time or requests.
            MeshError: it could not be written.
        """
        if self._trial is None or self._trial.split != split:
            self._trial = self._begun(split)
        try:
            applied = self.router.apply(split)
        except (NotOurs, KindMissing):
            self.hopeless = True
            raise
        self.hopeless = False
        if applied.changed:
            self.moved(split, applied)
        if split != self.proved:
            self._prove(self._trial)
            self.proved = split
        return applied

    def _begun(self, split: Split) -> Trial:
        """Return a trial against the share that the route has now, or half the new one if that is there."""
        try:
            shares = dict(self.router.split().shares)
        except MeshError:
            shares = {}
        gone = next((version for version in shares if version != split.stable), "")
        other = split.canary or gone
        before, new = shares.get(other, 0) / MAX_PERCENT, _share(split)
        return Trial(split, other, new / 2 if before == new else before, self.clock.now())

    def _prove(self, trial: Trial) -> None:
        waited = self.clock.now() - trial.since
        weight = trial.split.weights.canary
        if weight == 0:
            if waited < self.drain_s and not self._shown(trial):
                words = f"waiting up to {self.drain_s:g} s until the proxies send nothing there any more"
                raise NotYetLive(words)
            return
        if not self._shown(trial, heard_is_enough=waited >= self.patience_s):
            words = f"the gateway's counts do not show yet that {weight} % go to the canary"
            raise NotYetLive(words)

    def _shown(self, trial: Trial, *, heard_is_enough: bool = False) -> bool:
        """Tell whether the counts speak for the new weight; counts of the former one are thrown away."""
        sides = (trial.split.stable, trial.other)
        try:
            seen = self.metrics.counts(tuple(filter(None, sides)), self.clock.now(), edge="")
        except MetricsDown as error:
            if trial.split.weights.canary:
                words = f"no proof of the weight without metrics: {error}"
                raise NotYetLive(words) from error
            return False
        if trial.start is None:
            trial.start = seen
            return False
        stable, canary = (_sent(trial.start, seen, side) for side in sides)
        if heard_is_enough and canary:
            return True
        weighed = _likelihood(stable, canary, _share(trial.split), trial.before)
        if weighed <= -LIKELIER:
            trial.start = seen
        return weighed >= LIKELIER


def _share(split: Split) -> float:
    return split.weights.canary / MAX_PERCENT


def _sent(start: CounterSnapshot, now: CounterSnapshot, version: str) -> int:
    """Return how many requests the gateway has sent to a version since ``start``."""
    return sum(
        count
        for (owner, _), kinds in growth(Cursor.at_snapshot(start), now).items()
        for (kind, _), count in kinds.items()
        if owner == version and kind in SENT
    )


def _likelihood(stable: int, canary: int, new: float, old: float) -> float:
    """Return ln of how much likelier the counts are under the share ``new`` than under ``old``."""
    new, old = (min(max(share, LEAST), 1 - LEAST) for share in (new, old))
    return canary * math.log(new / old) + stable * math.log((1 - new) / (1 - old))

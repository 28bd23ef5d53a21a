"""From raw cumulative counters to the counts of one interval.

Deltas are taken per series before anything is added up. A drop is a counter that began again. Nothing is
extrapolated, so all counts are whole numbers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple, Self

from canary.measure.counts import Counts, PodCounts, Tick

FORGET_AFTER_S: Final = 600.0
"""A series that was gone for so long is new when it comes back."""
ALL: Final = "+Inf"


class Kind(StrEnum):
    """What a series counts."""

    ANSWERED = "answered"
    """Requests that a pod answered well enough."""
    FAILED = "failed"
    """Requests that a pod answered with 5xx."""
    BROKEN_OFF = "broken_off"
    """Requests that a pod took and never answered."""
    UNREACHED = "unreached"
    """Requests that only the gateway knows of, because no pod took them."""
    GIVEN_UP = "given_up"
    """Requests whose answer the gateway or the client stopped waiting for, as the gateway counts them."""
    ROUTED = "routed"
    """All requests that the gateway sent to the version, however they ended."""
    WITHIN = "within"
    """Requests answered within ``le`` milliseconds (cumulative buckets)."""
    SCORED = "scored"
    """Answers that have a confidence, as the pods count them."""
    UNSURE = "unsure"
    """Answers of low confidence."""
    PRAISED = "praised"
    """Answers that users found good."""
    BLAMED = "blamed"
    """Answers that users found bad."""
    COMPARED = "compared"
    """Mirrored answers that were compared with the stable's."""
    DIFFERED = "differed"
    """Mirrored answers that were not the stable's."""


class Share(NamedTuple):
    """Which kinds make a metric: all of its events, and the bad ones among them."""

    all: tuple[Kind, ...]
    bad: Kind


QUALITY: Final[Mapping[str, Share]] = {
    "lowconf": Share((Kind.SCORED,), Kind.UNSURE),
    "feedback": Share((Kind.PRAISED, Kind.BLAMED), Kind.BLAMED),
    "shadow": Share((Kind.COMPARED,), Kind.DIFFERED),
}
"""The metrics that the pods count themselves."""
OWN: Final = frozenset(kind for share in QUALITY.values() for kind in (*share.all, share.bad))
"""What comes from the pods, which may be scraped at another time than what comes from the proxies."""


@dataclass(frozen=True)
class Series:
    """One counter at one query time.

    ``first`` is its oldest value in the window that was read, ``at`` the time of its newest sample.
    ``instance`` is the exporter it comes from.
    """

    key: str
    instance: str
    version: str
    pod: str
    kind: Kind
    value: float
    first: float
    at: float
    le: str = ""


@dataclass(frozen=True)
class CounterSnapshot:
    """All counters of both versions at one query time; ``started`` is when each pod's process began."""

    at: float
    series: tuple[Series, ...]
    started: Mapping[str, float] = field(default_factory=dict)


class Known(NamedTuple):
    """The last known value of a counter and when its sample was taken."""

    value: float
    at: float


@dataclass(frozen=True)
class Cursor:
    """Up to where everything has been counted: raw values by series, and who has been seen since when."""

    at: float
    values: Mapping[str, Known] = field(default_factory=dict)
    instances: tuple[str, ...] = ()
    newest: Mapping[str, float] = field(default_factory=dict)
    pods: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def at_snapshot(cls, snapshot: CounterSnapshot) -> Self:
        """Return the cursor that takes everything up to ``snapshot`` as counted."""
        return cls(snapshot.at).moved(snapshot)

    def delta(self, series: Series, started: Mapping[str, float]) -> int:
        """Return by how much a counter has grown since the cursor."""
        known = self.values.get(series.key)
        if known is not None:
            grown = series.value - known.value
            return round(series.value if grown < 0 else grown)
        return round(series.value - self._start_of(series, started))

    def _start_of(self, series: Series, started: Mapping[str, float]) -> float:
        """Return where a counter that was not there before began.

        A known exporter did not have it, so it began at 0. A new exporter may have counted for long before
        it was read: only if its pod is younger than the cursor did all of it happen since.
        """
        young = started.get(series.pod, -1.0) >= self.at
        return 0.0 if series.instance in self.instances or young else series.first

    def moved(self, snapshot: CounterSnapshot, answering: Iterable[str] = ()) -> Self:
        """Return the cursor at ``snapshot``; ``answering`` are the pods that answered since the last one."""
        kept = {key: k for key, k in self.values.items() if k.at > snapshot.at - FORGET_AFTER_S}
        newest = dict(self.newest)
        for series in _by_proxies(snapshot):
            newest[series.version] = max(series.at, newest.get(series.version, 0.0))
        return replace(
            self,
            at=snapshot.at,
            values=kept | {s.key: Known(s.value, s.at) for s in snapshot.series},
            instances=tuple(sorted({*self.instances, *(s.instance for s in snapshot.series)})),
            newest=newest,
            pods=dict.fromkeys(answering, self.at) | dict(self.pods),
        )

    def is_fresh(self, snapshot: CounterSnapshot, version: str) -> bool:
        """Tell whether a version has a sample that is newer than the cursor's."""
        newest = max((s.at for s in _by_proxies(snapshot) if s.version == version), default=0.0)
        return newest > self.newest.get(version, 0.0)


def _by_proxies(snapshot: CounterSnapshot) -> Iterable[Series]:
    """Yield what tells whether there are new samples: a pod's own counters say nothing about requests."""
    return (series for series in snapshot.series if series.kind not in OWN)


def origin(snapshot: CounterSnapshot) -> CounterSnapshot:
    """Return the snapshot in which all these counters still stood at 0."""
    return replace(snapshot, series=tuple(replace(s, value=0.0, first=0.0) for s in snapshot.series))


Growth = Mapping[tuple[str, str], Mapping[tuple[Kind, str], int]]
"""Deltas by version and pod, and within these by kind and le."""


def growth(cursor: Cursor, snapshot: CounterSnapshot) -> Growth:
    """Return all deltas, added up over the series of the same pod and kind."""
    sums: dict[tuple[str, str], dict[tuple[Kind, str], int]] = defaultdict(lambda: defaultdict(int))
    for series in snapshot.series:
        delta = cursor.delta(series, snapshot.started)
        sums[series.version, series.pod][series.kind, series.le] += delta
    return sums


def measure(
    cursor: Cursor, snapshot: CounterSnapshot, stable: str, canary: str | None, edge: str | None
) -> Tick:
    """Return what happened between the cursor and the snapshot."""
    grown = growth(cursor, snapshot)
    return Tick(
        at=snapshot.at,
        seconds=snapshot.at - cursor.at,
        stable=_pods(cursor, grown, stable, edge),
        canary=_pods(cursor, grown, canary, edge) if canary else (),
        fresh_stable=cursor.is_fresh(snapshot, stable),
        fresh_canary=bool(canary) and cursor.is_fresh(snapshot, canary or ""),
        canary_seen=_routed(grown, canary),
        stable_seen=_routed(grown, stable),
    )


def _routed(grown: Growth, version: str | None) -> int:
    return sum(kinds.get((Kind.ROUTED, ""), 0) for (owner, _), kinds in grown.items() if owner == version)


def _pods(cursor: Cursor, grown: Growth, version: str, edge: str | None) -> tuple[PodCounts, ...]:
    mine = {pod: kinds for (owner, pod), kinds in grown.items() if owner == version}
    named = [
        PodCounts(
            pod,
            {"errors": _answers(kinds), "slow": _slow(kinds, edge), **_quality(kinds)},
            _age(cursor, pod),
        )
        for pod, kinds in sorted(mine.items())
        if pod
    ]
    lost = _lost(mine)
    return (*named, PodCounts("", {"errors": Counts(lost, lost)})) if lost else tuple(named)


def _answers(kinds: Mapping[tuple[Kind, str], int]) -> Counts:
    bad = kinds.get((Kind.FAILED, ""), 0) + kinds.get((Kind.BROKEN_OFF, ""), 0)
    return Counts(kinds.get((Kind.ANSWERED, ""), 0) + bad, bad)


def _slow(kinds: Mapping[tuple[Kind, str], int], edge: str | None) -> Counts:
    """Count requests slower than the edge; buckets are cumulative, so none may hold more than all."""
    if edge is None:
        return Counts()
    requests = kinds.get((Kind.WITHIN, ALL), 0)
    return Counts(requests, requests - min(kinds.get((Kind.WITHIN, edge), 0), requests))


def _quality(kinds: Mapping[tuple[Kind, str], int]) -> dict[str, Counts]:
    """Count what the pod says of its own answers; no more can be bad than there are."""
    counts = {}
    for metric, share in QUALITY.items():
        events = sum(kinds.get((kind, ""), 0) for kind in share.all)
        counts[metric] = Counts(events, min(kinds.get((share.bad, ""), 0), events))
    return counts


def _lost(mine: Mapping[str, Mapping[tuple[Kind, str], int]]) -> int:
    """Count failures that only the gateway saw.

    A request that was given up is one attempt broken off at a pod, which has been counted there already:
    only what exceeds those is added.
    """
    sums = {kind: sum(kinds.get((kind, ""), 0) for kinds in mine.values()) for kind in Kind}
    return sums[Kind.UNREACHED] + max(0, sums[Kind.GIVEN_UP] - sums[Kind.BROKEN_OFF])


def _age(cursor: Cursor, pod: str) -> float:
    return max(0.0, cursor.at - cursor.pods.get(pod, cursor.at))

"""One reading of Prometheus for all rollouts of a namespace.

Rollouts look at the same moments (ticks lie on a grid of the clock), and whoever comes first reads for all
that have asked lately; the others take their part of what was read. A rollout that is new joins the next
reading that has not begun. So the number of queries does not grow with the number of rollouts.

What is wanted is read apart: the counts behind a proof of a weight, which is asked for every second; one
bucket edge; and all buckets, by those that know no edge yet. Else one of them would make the others dear.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from canary.controller.ports import Clock
from canary.measure.counters import CounterSnapshot
from canary.prometheus.bounded import BoundedCaller
from canary.prometheus.client import Prometheus
from canary.prometheus.promql import RolloutQuery
from canary.prometheus.rows import QueryResults

SHARED_S: Final = 5.0
"""How old a reading may be that somebody else began. It is old only where a round through all rollouts takes
that long."""
WANTED_S: Final = 60.0
"""For how long is read along what nobody has asked for."""


class Purpose(StrEnum):
    """What a reading is for."""

    PROOF = "proof"
    TICK = "tick"
    BUCKETS = "buckets"

    @classmethod
    def of(cls, want: RolloutQuery) -> "Purpose":
        """Return what ``want`` is for."""
        if want.edge is None:
            return cls.BUCKETS
        return cls.TICK if want.edge else cls.PROOF


@dataclass
class Flight:
    """One reading; ``at`` is its query time, None as long as others may join.

    ``taken`` are those who have had it: nobody gets the same reading twice.
    """

    wants: set[RolloutQuery]
    taken: set[RolloutQuery] = field(default_factory=set)
    at: float | None = None
    batch: "Future[QueryResults]" = field(default_factory=Future)

    def young(self, now: float) -> bool:
        """Tell whether others may take what it brings."""
        return self.at is None or abs(now - self.at) <= SHARED_S


@dataclass
class NamespaceReadings:
    """The readings of one namespace for one purpose."""

    prometheus: Prometheus
    caller: BoundedCaller
    clock: Clock
    _asked: dict[RolloutQuery, float] = field(default_factory=dict)
    _flights: list[Flight] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def snapshot(self, want: RolloutQuery) -> CounterSnapshot:
        """Return what ``want`` asks for, from a reading of this moment.

        Raises:
            MetricsDown: Prometheus did not answer, or not with data, or not in time.
        """
        now = self.clock.now()
        with self._lock:
            self._asked[want] = now
            self._flights = [flight for flight in self._flights if flight.young(now)]
            flight = self._joined(want) or self._begun(want, now)
            flight.taken.add(want)
        return self.caller.wait(flight.batch).snapshot(want)

    def _joined(self, want: RolloutQuery) -> Flight | None:
        for flight in self._flights:
            if flight.at is None:
                flight.wants.add(want)
            if want in flight.wants and want not in flight.taken:
                return flight
        return None

    def _begun(self, want: RolloutQuery, now: float) -> Flight:
        """Begin to read for all, but for what others have on its way; for one that is new, what is new."""
        self._asked = {known: at for known, at in self._asked.items() if abs(now - at) <= WANTED_S}
        again = any(want in flight.taken for flight in self._flights)
        on_the_way = set().union(
            *(flight.wants - flight.taken if again else flight.wants for flight in self._flights)
        )
        flight = Flight(set(self._asked) - on_the_way)
        flight.batch = self.caller.begin(lambda: self._read(flight))
        self._flights.append(flight)
        return flight

    def _read(self, flight: Flight) -> QueryResults:
        with self._lock:
            at = flight.at = self.clock.now()
        return self.prometheus.read(list(flight.wants), at)


class SharedPrometheus:
    """All that the operator asks of one Prometheus."""

    def __init__(self, prometheus: Prometheus, clock: Clock, caller: BoundedCaller | None = None) -> None:
        self.prometheus, self._clock = prometheus, clock
        self.caller = caller or BoundedCaller(prometheus.url, prometheus.settings.timeout_s)
        self._readings: dict[tuple[str, Purpose], NamespaceReadings] = {}
        self._lock = threading.Lock()

    def readings(self, want: RolloutQuery) -> NamespaceReadings:
        """Return where ``want`` is asked for."""
        key = (want.namespace, Purpose.of(want))
        with self._lock:
            if key not in self._readings:
                self._readings[key] = NamespaceReadings(self.prometheus, self.caller, self._clock)
            return self._readings[key]

    def metrics(self, service: str) -> "SharedMetrics":
        """Return the metrics of a Service, by its full name."""
        return SharedMetrics(self, service)

    def close(self) -> None:
        """Ask nothing more."""
        self.caller.close()


@dataclass(frozen=True)
class SharedMetrics:
    """The metrics port of one Service over what all Services of its namespace read together."""

    shared: SharedPrometheus
    service: str

    def counts(self, versions: Sequence[str], at: float, *, edge: str | None = None) -> CounterSnapshot:
        """Return all counters of ``versions`` of about ``at``; the snapshot says when exactly.

        Raises:
            MetricsDown: Prometheus did not answer, or not with data, or not in time.
        """
        del at
        want = RolloutQuery(self.service, tuple(versions), edge)
        return self.shared.readings(want).snapshot(want)

    def history(self, version: str, at: float, *, seconds: float, step: float) -> Sequence[CounterSnapshot]:
        """Return the counters of ``version`` in the past, which a rollout asks for once.

        Raises:
            MetricsDown: Prometheus did not answer, or not with data, or not in time.
        """
        want = RolloutQuery(self.service, (version,))
        caller, prometheus = self.shared.caller, self.shared.prometheus
        return caller.wait(caller.begin(lambda: prometheus.history(want, at, seconds=seconds, step=step)))

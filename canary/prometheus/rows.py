"""Rows of a query's answer, and what each rollout takes from an answer that many share."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from canary.measure.counters import ALL, CounterSnapshot, Series
from canary.prometheus import promql
from canary.prometheus.promql import RolloutQuery

Row = Mapping[str, Any]
Samples = Sequence[tuple[float, str]]


@dataclass(frozen=True)
class QueryResults:
    """The answers to one set of questions, all as of ``at`` (Unix seconds).

    Rows from the proxies are kept by Service, those of the pods' own by pod.
    """

    at: float
    counters: Mapping[str, Sequence[Row]]
    own: Mapping[str, Sequence[Row]]
    started: Sequence[Row]

    @classmethod
    def of(cls, at: float, counters: Iterable[Row], own: Iterable[Row], started: Sequence[Row]) -> Self:
        """Sort the rows of three answers."""
        by_service, by_pod = defaultdict(list), defaultdict(list)
        for row in counters:
            by_service[row["metric"].get("destination_service", "")].append(row)
        for row in own:
            by_pod[promql.pod_of(row["metric"])].append(row)
        return cls(at, by_service, by_pod, started)

    def snapshot(self, want: RolloutQuery) -> CounterSnapshot:
        """Return what one rollout wanted."""
        read = (series_of(row["metric"], row["values"]) for row in self.rows(want))
        started = {
            row["metric"].get("pod", ""): float(row["value"][1])
            for row in self.started
            if row["metric"].get("version") in want.versions
        }
        return CounterSnapshot(self.at, tuple(s for s in read if s is not None), started)

    def rows(self, want: RolloutQuery) -> Iterator[Row]:
        """Yield the rows that one rollout wanted; of the pods' own those of pods that serve its Service."""
        les = None if want.edge is None else {"", want.edge, ALL}
        pods = set()
        for row in (row for name in want.services for row in self.counters.get(name, ())):
            labels = row["metric"]
            if labels.get("destination_version") in want.versions:
                pods.add(promql.pod_of(labels))
                if les is None or labels.get("le", "") in les:
                    yield row
        for pod in sorted(pods - {""}):
            yield from (
                row for row in self.own.get(pod, ()) if promql.version_of(row["metric"]) in want.versions
            )


def series_of(labels: Mapping[str, str], samples: Samples) -> Series | None:
    """Return a series with its oldest value and its newest sample, or None if it does not count."""
    kind = promql.kind_of(labels)
    if kind is None:
        return None
    at, value = samples[-1]
    return Series(
        key=_key(labels),
        instance=labels.get("instance", ""),
        version=promql.version_of(labels),
        pod=promql.pod_of(labels),
        kind=kind,
        value=float(value),
        first=float(samples[0][1]),
        at=float(at),
        le=labels.get("le", ""),
    )


def _key(labels: Mapping[str, str]) -> str:
    """Return a short name for a set of labels: cursors hold many of them."""
    return hashlib.blake2b(json.dumps(labels, sort_keys=True).encode(), digest_size=12).hexdigest()

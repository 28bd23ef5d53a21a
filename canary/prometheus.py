"""The metrics port over Prometheus' HTTP API: raw counters, never rate() or increase().

Reference: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import urllib3

from canary import promql
from canary.counters import CounterSnapshot, Series
from canary.errors import MetricsDown
from canary.settings import Settings

HTTP_OK: Final = 200
MAX_TEXT: Final = 200

Samples = Sequence[tuple[float, str]]


class PrometheusMetrics:
    """Reads the counters of one service from the Prometheus at ``url``."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self._url = url.rstrip("/")
        self._settings = settings or Settings()
        timeout = urllib3.Timeout(total=self._settings.timeout_s)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False)

    def counts(self, versions: Sequence[str], at: float, *, edge: str | None = None) -> CounterSnapshot:
        """Return all counters of ``versions`` as of ``at`` (Unix seconds).

        Of the latency buckets only ``edge`` and "+Inf" are read, or all if it is None.

        Raises:
            MetricsDown: Prometheus did not answer, or not with data.
        """
        window_s, time = self._settings.window_s, f"{at:.3f}"
        query = promql.counters(self._settings.service, versions, edge, window_s)
        found = self._ask("query", {"query": query, "time": time})
        own = self._ask("query", {"query": promql.own_counters(versions, window_s), "time": time})
        read = [_series(row["metric"], row["values"]) for row in (*found, *_of_service(own, found))]
        return CounterSnapshot(at, tuple(s for s in read if s is not None), self._started(versions, at))

    def history(self, version: str, at: float, *, seconds: float, step: float) -> Sequence[CounterSnapshot]:
        """Return the counters of ``version`` every ``step`` seconds of the ``seconds`` before ``at``.

        Raises:
            MetricsDown: Prometheus did not answer, or not with data.
        """
        span = {"start": f"{at - seconds:.3f}", "end": f"{at:.3f}", "step": f"{step:g}"}
        query = promql.history(self._settings.service, version)
        found = self._ask("query_range", {"query": query, **span})
        own = self._ask("query_range", {"query": promql.own_history(version), **span})
        times: dict[float, list[Series]] = defaultdict(list)
        for row in (*found, *_of_service(own, found)):
            for sample in row["values"]:
                series = _series(row["metric"], [sample])
                if series is not None:
                    times[series.at].append(series)
        return [CounterSnapshot(time, tuple(series)) for time, series in sorted(times.items())]

    def _started(self, versions: Sequence[str], at: float) -> Mapping[str, float]:
        found = self._ask("query", {"query": promql.started(versions), "time": f"{at:.3f}"})
        return {row["metric"].get("pod", ""): float(row["value"][1]) for row in found}

    def _ask(self, path: str, fields: Mapping[str, str]) -> list[Any]:
        """Return the rows of a query's result."""
        try:
            answer = self._pool.request(
                "POST", f"{self._url}/api/v1/{path}", fields=dict(fields), encode_multipart=False
            )
            document = json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise MetricsDown(self._url, f"{type(error).__name__}: {error}"[:MAX_TEXT]) from error
        try:
            if answer.status == HTTP_OK and document["status"] == "success":
                rows: list[Any] = document["data"]["result"]
                return rows
            raise MetricsDown(self._url, f"HTTP {answer.status}: {document['error']}"[:MAX_TEXT])
        except (KeyError, TypeError) as error:
            text = answer.data[:MAX_TEXT].decode(errors="replace")
            raise MetricsDown(self._url, f"HTTP {answer.status}, not a query's answer: {text}") from error


def _of_service(own: Sequence[Any], found: Sequence[Any]) -> list[Any]:
    """Return the rows of those pods that serve requests to this service: other services have versions too."""
    pods = {promql.pod_of(row["metric"]) for row in found} - {""}
    return [row for row in own if promql.pod_of(row["metric"]) in pods]


def _series(labels: Mapping[str, str], samples: Samples) -> Series | None:
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

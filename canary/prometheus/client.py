"""The metrics port over Prometheus' HTTP API: raw counters, never rate() or increase().

Reference: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import urllib3

from canary.errors import MetricsDown
from canary.measure.counters import CounterSnapshot, Series
from canary.prometheus import promql
from canary.prometheus.promql import RolloutQuery
from canary.prometheus.rows import QueryResults, series_of
from canary.settings import Settings

HTTP_OK: Final = 200
MAX_TEXT: Final = 200
CONNECTIONS: Final = 8


class Prometheus:
    """Asks the Prometheus at ``url`` for many rollouts at once; may be called from any thread."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.url = url.rstrip("/")
        self.settings = settings or Settings()
        timeout = urllib3.Timeout(total=self.settings.timeout_s)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False, maxsize=CONNECTIONS)

    def read(self, wants: Sequence[RolloutQuery], at: float) -> QueryResults:
        """Return all counters that any of ``wants`` asks for as of ``at`` (Unix seconds).

        Raises:
            MetricsDown: Prometheus did not answer, or not with data.
        """
        asked = promql.questions(wants, self.settings.window_s)
        time = f"{at:.3f}"
        found, own, started = (self._ask("query", {"query": query, "time": time}) for query in asked)
        return QueryResults.of(at, found, own, started)

    def history(
        self, want: RolloutQuery, at: float, *, seconds: float, step: float
    ) -> Sequence[CounterSnapshot]:
        """Return the counters of ``want`` every ``step`` seconds of the ``seconds`` before ``at``.

        Raises:
            MetricsDown: Prometheus did not answer, or not with data.
        """
        span = {"start": f"{at - seconds:.3f}", "end": f"{at:.3f}", "step": f"{step:g}"}
        found, own = (self._ask("query_range", {"query": query, **span}) for query in promql.history(want))
        times: dict[float, list[Series]] = defaultdict(list)
        for row in QueryResults.of(at, found, own, []).rows(replace(want, edge=None)):
            for sample in row["values"]:
                series = series_of(row["metric"], [sample])
                if series is not None:
                    times[series.at].append(series)
        return [CounterSnapshot(time, tuple(series)) for time, series in sorted(times.items())]

    def _ask(self, path: str, fields: Mapping[str, str]) -> list[Any]:
        """Return the rows of a query's result."""
        try:
            answer = self._pool.request(
                "POST", f"{self.url}/api/v1/{path}", fields=dict(fields), encode_multipart=False
            )
            document = json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise MetricsDown(self.url, f"{type(error).__name__}: {error}"[:MAX_TEXT]) from error
        try:
            if answer.status == HTTP_OK and document["status"] == "success":
                rows: list[Any] = document["data"]["result"]
                return rows
            raise MetricsDown(self.url, f"HTTP {answer.status}: {document['error']}"[:MAX_TEXT])
        except (KeyError, TypeError) as error:
            text = answer.data[:MAX_TEXT].decode(errors="replace")
            raise MetricsDown(self.url, f"HTTP {answer.status}, not a query's answer: {text}") from error


class PrometheusMetrics:
    """Reads the counters of one service from the Prometheus at ``url``."""

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self._prometheus = Prometheus(url, settings)
        self._service = self._prometheus.settings.service

    def counts(self, versions: Sequence[str], at: float, *, edge: str | None = None) -> CounterSnapshot:
        """Return all counters of ``versions`` as of ``at`` (Unix seconds).

        Of the latency buckets only ``edge`` and "+Inf" are read, or all if it is None.

        Raises:
            MetricsDown: Prometheus did not answer, or not with data.
        """
        want = RolloutQuery(self._service, tuple(versions), edge)
        return self._prometheus.read([want], at).snapshot(want)

    def history(self, version: str, at: float, *, seconds: float, step: float) -> Sequence[CounterSnapshot]:
        """Return the counters of ``version`` every ``step`` seconds of the ``seconds`` before ``at``.

        Raises:
            MetricsDown: Prometheus did not answer, or not with data.
        """
        want = RolloutQuery(self._service, (version,))
        return self._prometheus.history(want, at, seconds=seconds, step=step)

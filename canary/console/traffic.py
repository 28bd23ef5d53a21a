"""Traffic figures from Prometheus' HTTP API; shown, never judged by, so `rate()` is good enough here.

Reference: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import urllib3

from canary.console.ports import Rates
from canary.prometheus import promql
from canary.settings import Settings
from observability.names import ISTIO_DURATION_BUCKET, ISTIO_REQUESTS, ROUTE_LABEL

TIMEOUT_S: Final = 1.0
MATCH: Final = (
    '{{reporter=~"destination|waypoint",destination_service=~"{services}",destination_version="{version}",'
    "{route}{more}}}"
)
REQUESTS: Final = "sum(rate(" + ISTIO_REQUESTS + MATCH + "[{window}s]))"
P99: Final = "histogram_quantile(0.99,sum by(le)(rate(" + ISTIO_DURATION_BUCKET + MATCH + "[{window}s])))"
FAILED: Final = ',response_code=~"5..|0"'


class PrometheusTraffic:
    """Asks the Prometheus at the URL that ``find`` returns; None means that there is none now."""

    def __init__(self, find: Callable[[], str | None], settings: Settings) -> None:
        self._find = find
        self._settings = settings
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(total=TIMEOUT_S), retries=False)

    def rates(self, host: str, versions: Sequence[str]) -> Mapping[str, Rates]:
        """Return the traffic of each version of a Service; nothing if Prometheus does not answer."""
        url = self._find()
        if url is None:
            return {}
        with suppress(urllib3.exceptions.HTTPError, ValueError, KeyError, IndexError, TypeError):
            return {version: self._of(url, host or self._settings.service, version) for version in versions}
        return {}

    def _of(self, url: str, host: str, version: str) -> Rates:
        requests = self._value(url, self._query(REQUESTS, host, version))
        failed = self._value(url, self._query(REQUESTS, host, version, FAILED)) or 0.0
        share = failed / requests if requests else None
        return Rates(requests, share, self._value(url, self._query(P99, host, version)))

    def _query(self, query: str, host: str, version: str, more: str = "") -> str:
        """Return a query for primary traffic: a mirrored copy's route names another version."""
        name = promql.any_of([version])
        return query.format(
            services=promql.any_of(promql.RolloutQuery(host, (version,)).services),
            version=version,
            route=f'{ROUTE_LABEL}=~"|{name}"',
            more=more,
            window=f"{self._settings.window_s:.0f}",
        )

    def _value(self, url: str, query: str) -> float | None:
        answer = self._pool.request("GET", f"{url}/api/v1/query", fields={"query": query})
        rows = json.loads(answer.data)["data"]["result"]
        value = float(rows[0]["value"][1]) if rows else math.nan
        return value if math.isfinite(value) else None

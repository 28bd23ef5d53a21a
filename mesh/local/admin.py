"""Envoy's admin port, read only: what Envoy itself says it does."""

import json
from dataclasses import dataclass
from typing import Any

import urllib3

from mesh.envoy.clusters import cluster_name, stat_name
from mesh.envoy.options import ROUTES_NAME, STAT_PREFIX
from mesh.errors import EnvoyDown

TIMEOUT_S = 2.0
HTTP_OK = 200


@dataclass(frozen=True)
class RoutesState:
    """The version of the routes that Envoy serves, and how many updates it has refused so far."""

    version: str
    refused: int


@dataclass(frozen=True)
class Members:
    """How many pods of a version Envoy knows, and how many of them it would send a request to."""

    total: int
    healthy: int


class Admin:
    """Reads Envoy's admin port; every method raises `EnvoyDown` if nobody answers there."""

    def __init__(self, url: str) -> None:
        """Take the base URL, like ``http://127.0.0.1:9901``; nothing is connected yet."""
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=TIMEOUT_S, retries=False)

    def is_ready(self) -> bool:
        """Tell whether Envoy serves: it has read its clusters and routes, and listens."""
        try:
            return self._get("/ready").status == HTTP_OK and self._listeners("total_listeners_active") > 0
        except EnvoyDown:
            return False

    def cannot_listen(self) -> bool:
        """Tell whether Envoy was refused its port: then it runs, and nobody reaches it."""
        return self._listeners("listener_create_failure") > 0

    def routes(self) -> RoutesState:
        """Return which routes are live."""
        prefix = f"http.{STAT_PREFIX}.rds.{ROUTES_NAME}."
        stats = self._stats(f"^{prefix.replace('.', '[.]')}(version_text|update_rejected|update_failure)$")
        refused = int(stats.get(f"{prefix}update_rejected", 0)) + int(stats.get(f"{prefix}update_failure", 0))
        return RoutesState(version=str(stats.get(f"{prefix}version_text", "")), refused=refused)

    def clusters(self) -> frozenset[str]:
        """Return the names of the clusters that are ready to be routed to."""
        text = self._get("/clusters?format=json").data
        return frozenset(cluster["name"] for cluster in json.loads(text).get("cluster_statuses", []))

    def knows(self, version: str) -> bool:
        """Tell whether ``version`` can be routed to."""
        return cluster_name(version) in self.clusters()

    def members(self, version: str) -> Members:
        """Return how many pods of ``version`` there are, by Envoy's own health checks."""
        prefix = f"cluster.{stat_name(version)}."
        stats = self._stats(f"^{prefix.replace('.', '[.]')}membership_(total|healthy)$")
        total, healthy = (int(stats.get(f"{prefix}membership_{kind}", 0)) for kind in ("total", "healthy"))
        return Members(total=total, healthy=healthy)

    def _listeners(self, what: str) -> int:
        return int(self._stats(f"^listener_manager[.]{what}$").get(f"listener_manager.{what}", 0))

    def _stats(self, pattern: str) -> dict[str, Any]:
        response = self._get("/stats", {"format": "json", "filter": pattern})
        return {stat["name"]: stat["value"] for stat in json.loads(response.data)["stats"] if "name" in stat}

    def _get(self, path: str, fields: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request("GET", f"{self.url}{path}", fields=fields)
        except urllib3.exceptions.HTTPError as error:
            raise EnvoyDown(self.url, str(error)) from error

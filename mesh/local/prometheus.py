"""The local Prometheus: scrapes Envoy and the pods every second, and turns Envoy's names into Istio's."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from observability.names import CACHE_LABEL, ROUTE_LABEL

Config = dict[str, Any]

SCRAPE_S = 1
ISTIO = "istio_requests_total|istio_request_duration_milliseconds_(?:bucket|sum|count)"
# Of Envoy's own thousand series, those by which an operator sees what the gateway does.
KEPT = (
    "envoy_cluster_membership_(?:healthy|total)",
    "envoy_cluster_outlier_detection_ejections_active",
    "envoy_cluster_upstream_cx_active",
    "envoy_cluster_upstream_(?:cx_connect_fail|cx_overflow|rq_active|rq_pending_overflow|rq_retry|rq_timeout)",
    "envoy_http_downstream_(?:cx|rq)_active",
    "envoy_http_local_rate_limit_rate_limited",
    "envoy_rate_limit_http_local_rate_limit_rate_limited",
    "envoy_http_rds_.*",
    "envoy_server_(?:live|memory_allocated|uptime|version)",
)


def render_prometheus(envoy_admin: str, targets_dir: Path) -> Config:
    """Return ``prometheus.yml``.

    ``envoy_admin`` is the admin port's base URL; ``targets_dir`` holds ``pods.json``, a file_sd list whose
    entries have the labels ``pod`` and ``version`` and which may be replaced at any time.
    """
    return {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s"},
        "scrape_configs": [_envoy(envoy_admin), _pods(targets_dir)],
    }


def _envoy(admin: str) -> Config:
    return {
        "job_name": "envoy",
        "metrics_path": "/stats/prometheus",
        # What was never touched is not worth its bytes.
        "params": {"usedonly": [""]},
        "static_configs": [{"targets": [urlsplit(admin).netloc]}],
        "metric_relabel_configs": [
            _relabel(["__name__"], f"envoy_({ISTIO})", "__name__"),
            {"action": "keep", "source_labels": ["__name__"], "regex": "|".join((ISTIO, *KEPT))},
            # A request that reached no version: Istio says "unknown" too.
            _unknown("destination_version", ""),
            _unknown("destination_workload", ".*-"),
            _relabel([ROUTE_LABEL], "-", ROUTE_LABEL, ""),
            _relabel([CACHE_LABEL], "-", CACHE_LABEL, ""),
        ],
    }


def _pods(targets_dir: Path) -> Config:
    files = [str(targets_dir / "pods.json")]
    return {"job_name": "pods", "file_sd_configs": [{"files": files, "refresh_interval": "5s"}]}


def _unknown(label: str, seen: str) -> Config:
    return _relabel(["__name__", label], f"(?:{ISTIO});{seen}", label, "unknown")


def _relabel(sources: list[str], regex: str, target: str, replacement: str = "$1") -> Config:
    return {"source_labels": sources, "regex": regex, "target_label": target, "replacement": replacement}

"""Istio's standard metrics from an Envoy without Istio's filters: counted by access loggers.

Reference for names and labels: https://istio.io/latest/docs/reference/config/metrics/
"""

from typing import Final

from mesh.envoy.clusters import POD_NAMESPACE, SUBSET_NAMESPACE
from mesh.envoy.shapes import Config, all_of, extension, flagged, status, typed
from mesh.model import Mesh
from observability.names import CACHE_HEADER, CACHE_LABEL, POD_LABEL, ROUTE_HEADER, ROUTE_LABEL

VERSION: Final = f"%CLUSTER_METADATA({SUBSET_NAMESPACE}:subset)%"
POD: Final = f"%UPSTREAM_METADATA({POD_NAMESPACE}:pod)%"

_NO_FLAGS: Final = {
    "extension_filter": extension(
        "envoy.access_loggers.extension_filters.cel",
        typed("extensions.access_loggers.filters.cel.v3.ExpressionFilter", expression="response.flags == 0"),
    )
}


def source_loggers(mesh: Mesh) -> list[Config]:
    """Return what counts a request once, as the client saw it end (for the connection manager)."""
    return [stats_logger(_labels(mesh, "source"))]


def destination_loggers(mesh: Mesh) -> list[Config]:
    """Return what counts every attempt that a pod took, mirrored ones included (for the router).

    Attempts that ended without an answer are counted as Istio's sidecar beside the pod would: a pod that
    broke off is 503 UC; one that the gateway or the client stopped waiting for is 0 DC. An attempt that no
    pod took (connection refused, no pod ready) is not counted: there would be no sidecar either.
    """
    labels = {**_labels(mesh, "destination"), POD_LABEL: POD}
    broken = {**labels, "response_code": "503", "response_flags": "UC"}
    given_up = {**labels, "response_code": "0", "response_flags": "DC"}
    return [
        stats_logger(labels, status("GE", 100)),
        stats_logger(broken, all_of(status("EQ", 0), flagged("UC", "UR", "UPE"))),
        stats_logger(given_up, all_of(status("EQ", 0), flagged("UT"))),
        stats_logger(given_up, all_of(status("EQ", 0), _NO_FLAGS)),
    ]


def _labels(mesh: Mesh, reporter: str) -> dict[str, str]:
    return {
        "reporter": reporter,
        "source_workload": "gateway",
        "destination_service": mesh.host,
        "destination_service_name": mesh.service,
        "destination_service_namespace": mesh.namespace,
        "destination_workload": f"{mesh.service}-{VERSION}",
        "destination_workload_namespace": mesh.namespace,
        "destination_app": mesh.service,
        "destination_version": VERSION,
        "request_protocol": "http",
        "response_code": "%RESPONSE_CODE%",
        "response_flags": "%RESPONSE_FLAGS%",
        "connection_security_policy": "none",
        ROUTE_LABEL: f"%REQ({ROUTE_HEADER})%",
        CACHE_LABEL: f"%RESP({CACHE_HEADER})%",
    }


def stats_logger(labels: dict[str, str], only: Config | None = None) -> Config:
    """Return an access logger that counts requests and their durations by Istio's names, with these labels.

    All of an Envoy's loggers share their metrics. What the filter ``only`` leaves out is not counted.
    """
    tags = [{"name": name, "value_format": value} for name, value in labels.items()]
    requests = {"stat": {"name": "istio_requests_total", "tags": tags}, "value_fixed": 1}
    durations = {
        "stat": {"name": "istio_request_duration_milliseconds", "tags": tags},
        "unit": "Milliseconds",
        "value_format": "%DURATION%",
    }
    config = typed(
        "extensions.access_loggers.stats.v3.Config",
        # One scope for all of them.
        stats_scope={"sharing_name": "istio"},
        counters=[requests],
        histograms=[durations],
    )
    only_these = {} if only is None else {"filter": only}
    return {**extension("envoy.access_loggers.stats", config), **only_these}

"""Istio's metrics from an Envoy that has not Istio's filters.

Istio's build of Envoy counts requests in a filter of its own, `istio.stats`. Here an EnvoyFilter merges stats
loggers, which upstream's Envoy has, into every connection manager that istiod configures; they count the same
requests under the same name, with what istiod says of a cluster and an endpoint as raw labels. Prometheus'
relabelling makes Istio's labels of these. (https://istio.io/latest/docs/reference/config/metrics/)

Where the labels come from is therefore real: a request is counted for the first Service that istiod names in
the cluster's metadata, as with Istio's own proxy. Not to be had: what the two ends of a connection tell each
other of themselves (`source_*` at a server, peers' names of plain HTTP).
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from mesh.envoy.metrics import stats_logger
from mesh.envoy.shapes import typed
from mesh.local.prometheus import ISTIO
from observability.names import CACHE_HEADER, CACHE_LABEL, ROUTE_HEADER, ROUTE_LABEL
from tests.cluster.control_plane import ISTIO_NAMESPACE, Document

MANAGER: Final = "envoy.filters.network.http_connection_manager"
SCRAPE_S: Final = 0.5
# What istiod writes into the metadata of an endpoint: name;namespace;app;version;cluster, and into that of a
# cluster: a list of the Services behind it, in JSON.
WORKLOAD_LABEL, SERVICES_LABEL = "raw_workload", "raw_services"
RAW: Final = {
    WORKLOAD_LABEL: "%METADATA(UPSTREAM_HOST:istio:workload)%",
    SERVICES_LABEL: "%METADATA(CLUSTER:istio:services)%",
}
# The sidecar of the pod that answers knows its own name; its app and version are labels of the pod, which
# whoever scrapes it knows.
AT_POD: Final = {
    WORKLOAD_LABEL: "%ENVIRONMENT(ISTIO_META_WORKLOAD_NAME)%;%ENVIRONMENT(POD_NAMESPACE)%;;;",
    SERVICES_LABEL: RAW[SERVICES_LABEL],
}
POD_LABELS: Final = {"app": "pod_app", "version": "pod_version"}
MERGED_PORT: Final = 15020
# Where pilot-agent tells what the sidecar and the application count; it is never redirected.
WORKLOAD_FIELDS: Final = (
    "destination_workload",
    "destination_workload_namespace",
    "destination_app",
    "destination_version",
)
SERVICE_FIELDS: Final = {
    "destination_service": "host",
    "destination_service_name": "name",
    "destination_service_namespace": "namespace",
}
# Where requests leave a proxy, and where they come to the pod that answers them.
CONTEXTS: Final = {"GATEWAY": "source", "SIDECAR_OUTBOUND": "source", "SIDECAR_INBOUND": "destination"}


def envoy_filter() -> Document:
    """Return the EnvoyFilter, for all proxies of the mesh: no `istio.stats`, but loggers that count."""
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "stats-of-upstream-envoy", "namespace": ISTIO_NAMESPACE},
        "spec": {
            "configPatches": [
                *(_merged(context, reporter) for context, reporter in CONTEXTS.items()),
                *(
                    _removed(kind, context)
                    for context in CONTEXTS
                    for kind in ("HTTP_FILTER", "NETWORK_FILTER")
                ),
            ]
        },
    }


def scrape(job: str, targets: list[str]) -> Document:
    """Return the scrape configuration of proxies whose admin ports are at ``targets`` (host:port)."""
    return {
        "job_name": job,
        "scrape_interval": f"{SCRAPE_S * 1000:.0f}ms",
        "scrape_timeout": f"{SCRAPE_S * 1000:.0f}ms",
        "metrics_path": "/stats/prometheus",
        "static_configs": [{"targets": targets}],
        "metric_relabel_configs": relabelling(),
    }


def scrape_pods(job: str, targets: Path) -> Document:
    """Return the scrape configuration of pods' sidecars, which `write_pods` lists in the file ``targets``."""
    return {
        **scrape(job, []),
        "static_configs": [],
        "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}],
        "metric_relabel_configs": [*relabelling(), *map(_of_pod, POD_LABELS), _dropped(*POD_LABELS.values())],
    }


def write_pods(targets: Path, pods: Iterable[Document]) -> None:
    """List the pods that have an address for `scrape_pods`, with the labels that a PodMonitor gives."""
    found = [
        {
            "targets": [f"{pod['status']['podIP']}:{MERGED_PORT}"],
            "labels": {
                "pod": pod["metadata"]["name"],
                "namespace": pod["metadata"]["namespace"],
                **{name: pod["metadata"]["labels"].get(label, "") for label, name in POD_LABELS.items()},
            },
        }
        for pod in pods
        if pod["status"].get("podIP")
    ]
    written = targets.with_suffix(".new.json")
    written.write_text(json.dumps(found), encoding="utf-8")
    written.replace(targets)


def relabelling() -> list[Document]:
    """Return the rules that make Istio's names and labels of what Envoy says, and drop all other metrics."""
    return [
        _rule(["__name__"], f"envoy_({ISTIO})", "__name__"),
        {"action": "keep", "source_labels": ["__name__"], "regex": ISTIO},
        *(_field_of_workload(number, label) for number, label in enumerate(WORKLOAD_FIELDS)),
        *(_field_of_service(key, label) for label, key in SERVICE_FIELDS.items()),
        *(_unknown(label) for label in (*WORKLOAD_FIELDS, *SERVICE_FIELDS)),
        *(_rule([label], "-", label, "") for label in (ROUTE_LABEL, CACHE_LABEL)),
        _dropped(WORKLOAD_LABEL, SERVICES_LABEL),
    ]


def _of_pod(label: str) -> Document:
    """Return the rule that fills in a label of the pod where it is the pod that answered."""
    return _rule(["reporter", POD_LABELS[label]], "destination;(.+)", f"destination_{label}")


def _dropped(*labels: str) -> Document:
    return {"action": "labeldrop", "regex": "|".join(labels)}


def _field_of_workload(number: int, label: str) -> Document:
    return _rule([WORKLOAD_LABEL], f"(?:[^;]*;){{{number}}}([^;]*);.*", label)


def _field_of_service(key: str, label: str) -> Document:
    # Up to the first closing brace: the first Service of the list.
    return _rule([SERVICES_LABEL], rf'[^}}]*"{key}":"([^"]*)".*', label)


def _unknown(label: str) -> Document:
    return _rule([label], "|-", label, "unknown")


def _rule(sources: list[str], regex: str, target: str, replacement: str = "$1") -> Document:
    return {"source_labels": sources, "regex": regex, "target_label": target, "replacement": replacement}


def _merged(context: str, reporter: str) -> Document:
    value = {"typed_config": _manager(access_log=[_logger(reporter)])}
    return _patch("NETWORK_FILTER", context, {"name": MANAGER}, {"operation": "MERGE", "value": value})


def _removed(kind: str, context: str) -> Document:
    stats = {"name": "istio.stats"}
    within = {"name": MANAGER, "subFilter": stats} if kind == "HTTP_FILTER" else stats
    return _patch(kind, context, within, {"operation": "REMOVE"})


def _patch(kind: str, context: str, within: Document, patch: Document) -> Document:
    match = {"context": context, "listener": {"filterChain": {"filter": within}}}
    return {"applyTo": kind, "match": match, "patch": patch}


def _manager(**fields: Any) -> Document:  # noqa: ANN401 - any JSON
    return typed("extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", **fields)


def _logger(reporter: str) -> Document:
    labels = {
        "reporter": reporter,
        "source_workload": "%ENVIRONMENT(ISTIO_META_WORKLOAD_NAME)%",
        "request_protocol": "http",
        "response_code": "%RESPONSE_CODE%",
        "response_flags": "%RESPONSE_FLAGS%",
        "connection_security_policy": "unknown",
        ROUTE_LABEL: f"%REQ({ROUTE_HEADER})%",
        CACHE_LABEL: f"%RESP({CACHE_HEADER})%",
        **(AT_POD if reporter == "destination" else RAW),
    }
    return stats_logger(labels)

"""Grafana's dashboards, as JSON documents: one for requests, one for rollouts, one for the pods.

A dashboard asks for a data source, a namespace and a Service; every query is limited to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

SCHEMA_VERSION: Final = 39
WIDTH: Final = 12
HEIGHT: Final = 8
COLUMNS: Final = 2

ISTIO: Final = (
    'reporter=~"destination|waypoint",destination_workload_namespace="$namespace",destination_app="$service"'
)
PODS: Final = 'namespace="$namespace",pod=~"$service-v.*"'
ROLLOUT: Final = 'namespace="$namespace",rollout="$service"'

Document = dict[str, Any]


@dataclass(frozen=True)
class Panel:
    """A graph: its title, what it tells, its unit as Grafana names it, and legend to query."""

    title: str
    about: str
    unit: str
    queries: Mapping[str, str]


def _by(labels: str, metric: str, selector: str) -> str:
    return f"sum by ({labels}) (rate({metric}{{{selector}}}[5m]))"


def _median_and_99th(labels: str, histogram: str, selector: str, legend: str = "") -> Mapping[str, str]:
    buckets = _by(labels, f"{histogram}_bucket", selector)
    quantiles = {"p50": 0.5, "p99": 0.99}
    return {f"{name}{legend}": f"histogram_quantile({q}, {buckets})" for name, q in quantiles.items()}


def _share(label: str, part: str, whole: str) -> Mapping[str, str]:
    shares = f"sum by ({label}) (rate({part}[5m])) / sum by ({label}) (rate({whole}[5m]))"
    return {f"{{{{{label}}}}}": shares}


REQUESTS: Final = (
    Panel(
        "Requests a second",
        "What the pods were asked, by version.",
        "reqps",
        {"{{destination_version}}": _by("destination_version", "istio_requests_total", ISTIO)},
    ),
    Panel(
        "Failed requests",
        "The share of 5xx and of requests without an answer, by version.",
        "percentunit",
        _share(
            "destination_version",
            f'istio_requests_total{{{ISTIO},response_code=~"5..|0"}}',
            f"istio_requests_total{{{ISTIO}}}",
        ),
    ),
    Panel(
        "Latency",
        "Median and 99th percentile of the answers, by version.",
        "ms",
        _median_and_99th(
            "le, destination_version",
            "istio_request_duration_milliseconds",
            ISTIO,
            " {{destination_version}}",
        ),
    ),
    Panel(
        "Status codes",
        "Answers by status code.",
        "reqps",
        {"{{response_code}}": _by("response_code", "istio_requests_total", ISTIO)},
    ),
)
ROLLOUTS: Final = (
    Panel(
        "Weight of the canary",
        "What the route says, and what the proxies' own counts show.",
        "percent",
        {
            "route": f"bertmesh_rollout_weight{{{ROLLOUT}}}",
            "proved": f"bertmesh_rollout_weight_proved{{{ROLLOUT}}}",
        },
    ),
    Panel(
        "Evidence of harm",
        "By metric; at 100 the canary is taken back.",
        "none",
        {"{{metric}}": f"bertmesh_rollout_evidence{{{ROLLOUT}}}"},
    ),
    Panel(
        "Evidence for the canary",
        "By metric; at 100 the next step may come.",
        "none",
        {"{{metric}}": f"bertmesh_rollout_evidence_safe{{{ROLLOUT}}}"},
    ),
    Panel(
        "Verdicts",
        "1 at the last verdict.",
        "none",
        {"{{verdict}}": f"bertmesh_rollout_verdict{{{ROLLOUT}}}"},
    ),
    Panel(
        "Unsure answers",
        "The share of computed answers that are guesses, by version.",
        "percentunit",
        _share(
            "model_version",
            f'bertmesh_low_confidence_total{{{PODS},route="primary"}}',
            f'bertmesh_answers_total{{{PODS},route="primary"}}',
        ),
    ),
    Panel(
        "The controller's errors",
        "Passes that ended with an error, and questions that Prometheus did not answer.",
        "short",
        {
            "passes": f"increase(bertmesh_rollout_reconcile_errors_total{{{ROLLOUT}}}[5m])",
            "questions": f"increase(bertmesh_rollout_query_errors_total{{{ROLLOUT}}}[5m])",
        },
    ),
)
POD: Final = (
    Panel(
        "In flight",
        "Requests that are being answered, by pod.",
        "short",
        {"{{pod}}": f"bertmesh_requests_in_flight{{{PODS}}}"},
    ),
    Panel(
        "Queue",
        "Tokens that wait, by pod. Above the limit requests get 429.",
        "short",
        {"{{pod}}": f"bertmesh_queue_tokens{{{PODS}}}"},
    ),
    Panel(
        "Tokens in a batch",
        "Median and 99th percentile of what is computed together.",
        "short",
        _median_and_99th("le", "bertmesh_batch_tokens", PODS),
    ),
    Panel(
        "Inference",
        "Seconds the engine takes for a batch.",
        "s",
        _median_and_99th("le", "bertmesh_inference_seconds", PODS),
    ),
    Panel(
        "Cache",
        "Look-ups by their result.",
        "ops",
        {"{{result}}": _by("result", "bertmesh_cache_lookups_total", PODS)},
    ),
    Panel(
        "Refused",
        "Requests that the pods refused, by problem.",
        "reqps",
        {"{{problem}}": _by("problem", "bertmesh_rejected_total", PODS)},
    ),
)


def every() -> Mapping[str, Document]:
    """Return the dashboards by their file names."""
    return {
        "requests": dashboard("requests", "bertmesh: requests", REQUESTS),
        "rollouts": dashboard("rollouts", "bertmesh: rollouts", ROLLOUTS),
        "pods": dashboard("pods", "bertmesh: pods", POD),
    }


def dashboard(name: str, title: str, panels: Sequence[Panel]) -> Document:
    """Return a dashboard of graphs, two beside each other."""
    return {
        "uid": f"bertmesh-{name}",
        "title": title,
        "tags": ["bertmesh"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": list(_variables())},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _variables() -> Sequence[Document]:
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    seen = 'istio_requests_total{destination_workload_namespace="$namespace"}'
    services = f"label_values({seen}, destination_app)"
    return (
        source,
        _asked("namespace", "Namespace", "label_values(bertmesh_model_info, namespace)"),
        _asked("service", "Service", services),
    )


def _asked(name: str, label: str, query: str) -> Document:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
    }


def _panel(number: int, panel: Panel) -> Document:
    place = {"w": WIDTH, "h": HEIGHT, "x": WIDTH * (number % COLUMNS), "y": HEIGHT * (number // COLUMNS)}
    source = {"type": "prometheus", "uid": "${datasource}"}
    targets = [
        {"refId": chr(ord("A") + index), "datasource": source, "expr": query, "legendFormat": legend}
        for index, (legend, query) in enumerate(panel.queries.items())
    ]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }

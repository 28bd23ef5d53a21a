"""What the chart hands to others, tried with the real ones: promtool, a Redis server, Envoy."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
import urllib3
import yaml

from bertmesh.local.ports import free_port
from canary.operator.telemetry import Telemetry
from chart import dashboards
from mesh.local.binaries import find_envoy, find_redis
from mesh.local.settings import Settings
from observability import names
from service.pod.metrics import Metrics
from tests.chart.harness import CHART, OPERATOR_APIS, Document, render
from tests.support.processes import answers, pings, prometheus_binary, running

RUNBOOK = CHART.parents[1] / "docs" / "runbook.md"
MODES = ("sidecar", "gatewayAPI", "ambient")
ISTIO = {names.ISTIO_REQUESTS, names.ISTIO_DURATION_BUCKET}
PASSWORD = "sesame"  # noqa: S105 - a test's own
ANNOTATED_LIMIT = 64


def rules(mode: str, runbook: str = "") -> Document:
    values = {"mesh": {"mode": mode}, "monitoring": {"rules": {"runbookUrl": runbook}}}
    [found] = render(values, apis=OPERATOR_APIS).all("PrometheusRule")
    spec: Document = found["spec"]
    return spec


def alerts(spec: Document) -> list[Document]:
    return [rule for group in spec["groups"] for rule in group["rules"] if "alert" in rule]


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    binary = prometheus_binary().with_name("promtool")
    return subprocess.run([binary, *words], check=False, capture_output=True, text=True, timeout=60)


def panels() -> Iterator[str]:
    for board in dashboards.every().values():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield target["expr"].replace("$namespace", "models").replace("$service", "bert")


@pytest.mark.parametrize("mode", MODES)
def test_prometheus_takes_the_rules(mode: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules(mode)))
    done = promtool("check", "rules", str(tmp_path / "rules.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_queries_of_the_dashboards(tmp_path: Path) -> None:
    records = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(panels())]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}))
    done = promtool("check", "rules", str(tmp_path / "rules.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(records) > 15


ISTIO_LABELS = 'reporter="destination",destination_app="bert",destination_workload_namespace="models"'
ROLLOUT = 'namespace="models",rollout="bert"'
POD = 'namespace="models",pod="bert-v1-0-abc"'
LEADS = {"bertmesh_rollout_leader{namespace='models',pod='bert-controller-a'}": "1x1200"}
SERVES = {f"bertmesh_model_info{{{POD}}}": "1x1200"}
QUIET = {**LEADS, **SERVES}
CASES: Mapping[str, tuple[Mapping[str, str], str, set[str]]] = {
    "all is well": (
        {**QUIET, f'istio_requests_total{{{ISTIO_LABELS},response_code="200"}}': "0+60x1200"},
        "20m",
        set(),
    ),
    "a fifth of the requests fail": (
        {
            **QUIET,
            f'istio_requests_total{{{ISTIO_LABELS},response_code="200"}}': "0+48x1200",
            f'istio_requests_total{{{ISTIO_LABELS},response_code="503"}}': "0+12x1200",
        },
        "20m",
        {"BertmeshErrorBudgetBurnsFast", "BertmeshErrorBudgetBurnsSlowly"},
    ),
    "429 is no failure": (
        {
            **QUIET,
            f'istio_requests_total{{{ISTIO_LABELS},response_code="200"}}': "0+48x1200",
            f'istio_requests_total{{{ISTIO_LABELS},response_code="429"}}': "0+12x1200",
            f"bertmesh_requests_total{{{POD}}}": "0+60x1200",
            f"bertmesh_rejected_total{{{POD}}}": "0+12x1200",
        },
        "20m",
        {"BertmeshOverloaded"},
    ),
    "no pod is scraped": (LEADS, "20m", {"BertmeshNoPods"}),
    "no controller leads": (SERVES, "20m", {"BertmeshControllerAbsent"}),
    "nobody proves the weight": (
        {
            **QUIET,
            f"bertmesh_rollout_weight{{{ROLLOUT}}}": "20x1200",
            f"bertmesh_rollout_weight_proved{{{ROLLOUT}}}": "5x1200",
        },
        "20m",
        {"BertmeshWeightNotProved"},
    ),
    "a person is asked for": (
        {**QUIET, f"bertmesh_rollout_alert{{{ROLLOUT}}}": "1x1200"},
        "20m",
        {"BertmeshRolloutNeedsAttention"},
    ),
    "the rollout stands still": (
        {
            **QUIET,
            f"bertmesh_rollout_active{{{ROLLOUT}}}": "1x1200",
            f"bertmesh_rollout_weight{{{ROLLOUT}}}": "20x1200",
            f"bertmesh_rollout_weight_proved{{{ROLLOUT}}}": "20x1200",
        },
        "7h",
        {"BertmeshRolloutStalled"},
    ),
    "the cache is away": (
        {
            **QUIET,
            f'bertmesh_cache_lookups_total{{{POD},result="error"}}': "0+30x1200",
            f'bertmesh_cache_lookups_total{{{POD},result="hit"}}': "0+30x1200",
        },
        "20m",
        {"BertmeshCacheDown"},
    ),
    "prometheus is away": (
        {
            **QUIET,
            f"bertmesh_rollout_query_errors_total{{{ROLLOUT}}}": "0+6x1200",
            f"bertmesh_rollout_reconcile_errors_total{{{ROLLOUT}}}": "0+6x1200",
        },
        "40m",
        {"BertmeshMetricsUnavailable", "BertmeshControllerFails"},
    ),
    "answers are slow": (
        {
            **QUIET,
            f'istio_request_duration_milliseconds_bucket{{{ISTIO_LABELS},le="1000"}}': "0+1x1200",
            f'istio_request_duration_milliseconds_bucket{{{ISTIO_LABELS},le="5000"}}': "0+60x1200",
            f'istio_request_duration_milliseconds_bucket{{{ISTIO_LABELS},le="+Inf"}}': "0+60x1200",
        },
        "20m",
        {"BertmeshSlow"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_alerts_fire_when_they_should_and_only_then(case: str, tmp_path: Path) -> None:
    series, at, wanted = CASES[case]
    spec = rules("sidecar")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    fires = [
        {
            "expr": f'count(ALERTS{{alertname="{alert["alert"]}",alertstate="firing"}}) or vector(0)',
            "eval_time": at,
            "exp_samples": [{"labels": "{}", "value": int(alert["alert"] in wanted)}],
        }
        for alert in alerts(spec)
    ]
    given = [{"series": name, "values": values} for name, values in series.items()]
    tests = [{"interval": "1m", "input_series": given, "promql_expr_test": fires}]
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    done = promtool("test", "rules", str(tmp_path / "test.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried() -> None:
    assert {alert["alert"] for alert in alerts(rules("sidecar"))} == set().union(
        *(c[2] for c in CASES.values())
    )


def test_every_alert_says_what_to_do() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    entries = re.findall(r"^## (\w+)$", text, re.MULTILINE)
    found = alerts(rules("sidecar", "https://wiki.example.com/runbook"))
    assert sorted(entries) == sorted(alert["alert"] for alert in found)
    for alert in found:
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
        place = f"https://wiki.example.com/runbook#{alert['alert'].lower()}"
        assert alert["annotations"]["runbook_url"] == place


def test_without_a_place_for_the_runbook_alerts_have_no_dead_link() -> None:
    assert all(set(alert["annotations"]) == {"summary", "description"} for alert in alerts(rules("sidecar")))


def exported() -> set[str]:
    """Return the names of all series that the pods and the controller export."""
    registries = (Metrics().registry, Telemetry().registry)
    families = [family for registry in registries for family in registry.collect()]
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    return {family.name + end for family in families for end in suffixes.get(family.type, ("",))}


def test_every_metric_that_is_asked_for_exists() -> None:
    queries = [rule["expr"] for group in rules("sidecar")["groups"] for rule in group["rules"]]
    asked = set(re.findall(r"\b(?:bertmesh|istio)_\w+", " ".join([*queries, *panels()])))
    assert asked <= exported() | ISTIO
    assert len(asked) > 15


def test_redis_takes_its_configuration_and_keeps_the_feedback(tmp_path: Path) -> None:
    config = render().one("ConfigMap", "bert-redis")["data"]["redis.conf"]
    file = tmp_path / "redis.conf"
    file.write_text(config.replace("dir /data", f"dir {tmp_path}"))
    port = free_port()
    settings = Settings.from_environment({"PATH": ""})
    words = [str(find_redis(settings)), str(file), "--requirepass", PASSWORD]
    words += ["--port", str(port), "--bind", "127.0.0.1"]
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    for _ in range(2):
        with running("redis", words, folder=tmp_path, ready=pings(url)), redis.Redis.from_url(url) as client:
            wanted = {"maxmemory-policy": "volatile-lfu", "appendonly": "yes", "maxmemory": str(512 << 20)}
            assert {key: client.config_get(key)[key] for key in wanted} == wanted
            client.xadd("feedback", {"rating": "good"})
            client.execute_command("WAITAOF", 1, 0, 2000)
            entries = client.xlen("feedback")
    assert entries == 2  # the first came back from the log
    with pytest.raises(redis.exceptions.ConnectionError):
        redis.Redis(port=port).ping()


def limits() -> list[Document]:
    """Return the HTTP filters that the chart puts before the models."""
    values = {
        "rateLimit": {"enabled": True, "requestsPerSecond": 1, "burst": 2},
        "requestLimit": {"maxBytes": ANNOTATED_LIMIT},
    }
    [found] = render({"mesh": values}).all("EnvoyFilter")
    return [patch["patch"]["value"] for patch in found["spec"]["configPatches"]]


def envoy_config(port: int, admin: int, filters: list[Document]) -> Document:
    router = {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}
    answer = {"status": 200, "body": {"inline_string": "answered"}}
    hosts = [
        {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": answer}]}
    ]
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "inbound",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [*filters, router],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    listener = {"name": "inbound", "address": address(port), "filter_chains": [chain]}
    return {"admin": {"address": address(admin)}, "static_resources": {"listeners": [listener]}}


TYPES = "type.googleapis.com/envoy.extensions"


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@pytest.mark.slow
def test_envoy_obeys_the_limits(tmp_path: Path) -> None:
    port, admin = free_port(), free_port()
    (tmp_path / "envoy.json").write_text(json.dumps(envoy_config(port, admin, limits())))
    words = [
        str(find_envoy()),
        "-c",
        str(tmp_path / "envoy.json"),
        "--concurrency",
        "1",
        "--disable-hot-restart",
    ]
    with running("envoy", words, folder=tmp_path, ready=answers(f"http://127.0.0.1:{admin}/ready")):
        url = f"http://127.0.0.1:{port}/"
        large = urllib3.request("POST", url, body=b"x" * (ANNOTATED_LIMIT + 1), retries=False)
        found = [urllib3.request("POST", url, body=b"x", retries=False) for _ in range(6)]
    assert large.status == 413
    assert {each.status for each in found} == {200, 429}
    [refused, *_] = [each for each in found if each.status == 429]
    assert refused.headers["retry-after"] == "1"

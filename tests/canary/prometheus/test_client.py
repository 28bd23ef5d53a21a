"""The metrics adapter against a real Prometheus that scrapes exporters of the test."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bertmesh.local.ports import free_port
from canary.controller.backtest import TimeRange, backtest
from canary.errors import MetricsDown
from canary.judge.profiles import FAST
from canary.measure.counters import CounterSnapshot, Cursor, Kind, measure
from canary.measure.counts import Counts, Tick, total
from canary.prometheus.client import Prometheus, PrometheusMetrics
from canary.prometheus.promql import RolloutQuery
from canary.settings import Settings
from tests.support.processes import prometheus_server, wait_until

SETTINGS = Settings(window_s=20.0)


class Exporter:
    """What a gateway or a sidecar shows: counters that the test sets; it may answer with 500."""

    def __init__(self) -> None:
        self.lines: dict[str, float] = {}
        self.service = ""
        self.down = False
        self.scrapes = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def requests(self, value: float, **labels: str) -> None:
        """Set the counter of requests with these labels besides the usual ones."""
        self.lines[f"istio_requests_total{self._labels(labels)}"] = value

    def own(self, name: str, value: float, **labels: str) -> None:
        """Set a counter of a pod's own."""
        named = {"model_version": "1.1", **labels}
        self.lines[name + "{" + ",".join(f'{key}="{text}"' for key, text in named.items()) + "}"] = value

    def latency(self, within: Mapping[str, float], **labels: str) -> None:
        """Set the latency buckets."""
        for le, value in within.items():
            name = f"istio_request_duration_milliseconds_bucket{self._labels({**labels, 'le': le})}"
            self.lines[name] = value

    def _labels(self, changes: Mapping[str, str]) -> str:
        labels = {
            "reporter": "destination",
            "destination_service": self.service,
            "destination_version": "1.1",
            "response_code": "200",
            "response_flags": "-",
            "pod": "pod-a",
            "bertmesh_route": "1.1",
            "bertmesh_cache": "miss",
            **changes,
        }
        return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _handler(exporter: Exporter) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            exporter.scrapes += 1
            body = "".join(f"{name} {value}\n" for name, value in exporter.lines.items()).encode()
            self.send_response(500 if exporter.down else 200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:  # noqa: ANN401 - the standard library's signature
            """Say nothing."""

    return Handler


class Lab:
    """A Prometheus, two exporters, and the adapter."""

    def __init__(self, url: str, gateway: Exporter, sidecar: Exporter) -> None:
        self.url, self.gateway, self.sidecar = url, gateway, sidecar
        self.metrics = PrometheusMetrics(url, SETTINGS)

    def begin(self) -> None:
        """Forget what was: a service of its own for each test."""
        service = f"bert-{uuid.uuid4().hex}"
        self.metrics = PrometheusMetrics(self.url, replace(SETTINGS, service=service))
        for exporter in (self.gateway, self.sidecar):
            exporter.lines.clear()
            exporter.down = False
            exporter.service = service

    def settle(self) -> None:
        """Wait until what the exporters show now has been scraped."""
        for exporter in (self.gateway, self.sidecar):
            seen = exporter.scrapes
            wait_until(lambda e=exporter, n=seen: e.scrapes >= n + 2, "two more scrapes")  # type: ignore[misc]

    def look(self, edge: str | None = "100") -> CounterSnapshot:
        return self.metrics.counts(("1.0", "1.1"), time.time(), edge=edge)

    def tick(self, cursor: Cursor, edge: str = "100") -> Tick:
        return measure(cursor, self.look(edge), "1.0", "1.1", edge)


@contextmanager
def exporters() -> Iterator[tuple[Exporter, Exporter]]:
    pair = (Exporter(), Exporter())
    try:
        yield pair
    finally:
        for exporter in pair:
            exporter.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with exporters() as (gateway, sidecar):
        targets = [{"targets": [gateway.address, sidecar.address]}]
        # A short interval keeps the tests short; honor_labels keeps the label pod as it is shown.
        scrape = {
            "job_name": "mesh",
            "scrape_interval": "100ms",
            "scrape_timeout": "100ms",
            "honor_labels": True,
            "static_configs": targets,
        }
        with prometheus_server(folder, {"scrape_configs": [scrape]}) as prometheus:
            yield Lab(prometheus.url, gateway, sidecar)


@pytest.fixture
def lab(running: Lab) -> Lab:
    """Return the lab with a stable version that has some traffic, and nothing else."""
    running.begin()
    running.gateway.requests(100, destination_version="1.0", bertmesh_route="1.0", pod="pod-s")
    running.settle()
    return running


def canary(tick: Tick, metric: str = "errors") -> Counts:
    return total(metric, tick.canary)


def test_counts_are_the_growth_of_whole_counters(lab: Lab) -> None:
    lab.gateway.requests(10)
    lab.gateway.requests(1, response_code="503")
    lab.settle()
    cursor = Cursor.at_snapshot(lab.look())
    lab.gateway.requests(17)
    lab.gateway.requests(4, response_code="503")
    lab.settle()
    assert canary(lab.tick(cursor)) == Counts(10, 3)


@pytest.mark.parametrize("reporter", ["destination", "waypoint"])
def test_requests_count_whichever_of_a_pod_s_services_the_proxy_names(lab: Lab, reporter: str) -> None:
    names = {"destination_service": f"{lab.gateway.service}-v1-1", "reporter": reporter}
    lab.gateway.requests(10, **names)
    lab.gateway.latency({"100": 10, "+Inf": 10}, **names)
    lab.settle()
    cursor = Cursor.at_snapshot(lab.look())
    lab.gateway.requests(30, **names)
    lab.gateway.requests(5, **names, response_code="503")
    lab.gateway.latency({"100": 20, "+Inf": 35}, **names)
    lab.gateway.requests(9, destination_service=f"{lab.gateway.service}-v2-0")
    lab.settle()
    tick = lab.tick(cursor)
    assert (canary(tick), canary(tick, "slow")) == (Counts(25, 5), Counts(25, 15))


def test_what_the_pods_count_themselves_is_read_with_the_requests(lab: Lab) -> None:
    pod = f"pod-{uuid.uuid4().hex}"
    lab.gateway.requests(10, pod=pod)
    for name, factor in (("answers", 10), ("low_confidence", 1)):
        lab.sidecar.own(f"bertmesh_{name}_total", factor, pod=pod, route="primary")
        lab.sidecar.own(f"bertmesh_{name}_total", 100 * factor, pod=pod, route="mirror")
        lab.sidecar.own(f"bertmesh_{name}_total", 100 * factor, pod="of-another-service", route="primary")
    lab.sidecar.own("bertmesh_feedback_total", 5, pod=pod, rating="good")
    lab.sidecar.own("bertmesh_feedback_total", 1, pod=pod, rating="bad")
    lab.settle()
    cursor = Cursor.at_snapshot(lab.look())
    for name, factor in (("answers", 10), ("low_confidence", 1)):
        for other in ("of-another-service", pod):
            lab.sidecar.own(f"bertmesh_{name}_total", 300 * factor, pod=other, route="mirror")
        lab.sidecar.own(f"bertmesh_{name}_total", 30 * factor, pod=pod, route="primary")
        lab.sidecar.own(f"bertmesh_{name}_total", 400 * factor, pod="of-another-service", route="primary")
    lab.sidecar.own("bertmesh_feedback_total", 8, pod=pod, rating="good")
    lab.sidecar.own("bertmesh_feedback_total", 3, pod=pod, rating="bad")
    lab.settle()
    tick = lab.tick(cursor)
    assert canary(tick, "lowconf") == Counts(290, 29)
    assert canary(tick, "feedback") == Counts(5, 2)


def test_a_backtest_finds_in_recorded_data_what_was_there(lab: Lab) -> None:
    lab.gateway.requests(0, response_code="503")
    lab.settle()
    begin = time.time()
    for k in range(1, 9):
        lab.gateway.requests(100 + 100 * k, destination_version="1.0", bertmesh_route="1.0", pod="pod-s")
        lab.gateway.requests(10 * k, response_code="503")
        lab.settle()
    quick = replace(FAST, tick_s=0.4, history_s=4.0)
    result = backtest(lab.metrics, "1.0", "1.1", quick, TimeRange(begin, time.time(), quick.tick_s))
    assert result.outcome == "rolled back"
    assert result.findings[-1].verdict.sentence.startswith("errors: canary 100.00 % vs stable 0.00 %")


def test_a_counter_that_began_anew_counts_from_zero(lab: Lab) -> None:
    lab.gateway.requests(50)
    lab.settle()
    cursor = Cursor.at_snapshot(lab.look())
    lab.gateway.requests(3)
    lab.settle()
    assert canary(lab.tick(cursor)) == Counts(3, 0)


def test_the_first_error_ever_counts(lab: Lab) -> None:
    lab.gateway.requests(5)
    lab.settle()
    cursor = Cursor.at_snapshot(lab.look())
    lab.gateway.requests(1, response_code="500")
    lab.settle()
    assert canary(lab.tick(cursor)) == Counts(1, 1)


def test_an_exporter_that_is_new_counts_from_its_first_sample_unless_its_pod_is_young(lab: Lab) -> None:
    cursor = Cursor.at_snapshot(lab.look())
    lab.sidecar.requests(40, pod="pod-b")
    lab.settle()
    lab.sidecar.requests(42, pod="pod-b")
    lab.settle()
    assert canary(lab.tick(cursor)) == Counts(2, 0)
    lab.sidecar.lines['process_start_time_seconds{version="1.1",pod="pod-b"}'] = time.time() + 1
    lab.settle()
    assert canary(lab.tick(cursor)) == Counts(42, 0)


def test_mirrored_and_cached_requests_do_not_count(lab: Lab) -> None:
    cursor = Cursor.at_snapshot(lab.look())
    lab.gateway.requests(5)
    lab.gateway.requests(7, bertmesh_route="1.0")
    lab.gateway.requests(9, bertmesh_cache="hit")
    lab.gateway.requests(11, bertmesh_cache="local")
    lab.gateway.requests(2, bertmesh_route="", bertmesh_cache="")
    lab.settle()
    assert canary(lab.tick(cursor)) == Counts(7, 0)


def test_requests_of_other_services_and_versions_do_not_count(lab: Lab) -> None:
    cursor = Cursor.at_snapshot(lab.look())
    lab.gateway.requests(5, destination_service="other.default.svc.cluster.local")
    lab.gateway.requests(6, destination_version="1x1", bertmesh_route="1x1")
    lab.gateway.requests(7, destination_version="1.1-reviews", bertmesh_route="1.1-reviews")
    lab.settle()
    assert lab.tick(cursor).canary == ()


@pytest.mark.parametrize("flags", ["UF", "UH", "URX,UF", "UT", "UC", "NR"])
def test_what_only_the_gateway_saw_fail_counts(lab: Lab, flags: str) -> None:
    cursor = Cursor.at_snapshot(lab.look())
    lab.gateway.requests(5, reporter="source", response_code="503", response_flags=flags, pod="gateway-0")
    lab.settle()
    lost = lab.tick(cursor).canary
    assert [(pod.pod, pod.metrics["errors"]) for pod in lost] == [("", Counts(5, 5))]


def test_a_request_that_was_given_up_is_one_failure_though_both_sides_report_it(lab: Lab) -> None:
    cursor = Cursor.at_snapshot(lab.look())
    lab.gateway.requests(5, reporter="source", response_code="504", response_flags="UT", pod="")
    lab.gateway.requests(5, response_code="0", response_flags="DC")
    lab.settle()
    assert canary(lab.tick(cursor)) == Counts(5, 5)


def test_answers_that_the_gateway_passed_on_are_not_counted_twice(lab: Lab) -> None:
    cursor = Cursor.at_snapshot(lab.look())
    for reporter in ("source", "destination"):
        lab.gateway.requests(20, reporter=reporter)
        lab.gateway.requests(4, reporter=reporter, response_code="500")
    lab.settle()
    tick = lab.tick(cursor)
    assert canary(tick) == Counts(24, 4)
    assert tick.canary_seen == 24


def test_latency_is_counted_by_the_edge(lab: Lab) -> None:
    lab.gateway.latency({"50": 0, "100": 0, "250": 0, "+Inf": 0})
    lab.settle()
    cursor = Cursor.at_snapshot(lab.look())
    lab.gateway.latency({"50": 60, "100": 80, "250": 95, "+Inf": 100})
    lab.settle()
    assert canary(lab.tick(cursor), "slow") == Counts(100, 20)


def test_out_of_one_reading_for_many_each_gets_what_it_would_get_alone(lab: Lab) -> None:
    service, other = lab.gateway.service, f"{lab.gateway.service}-other"
    buckets = {"2.5": 1.0, "25": 2.0, "100": 2.0, "+Inf": 3.0}
    for name, version in ((service, "1.1"), (other, "1.1"), (other, "1.2"), ("stranger", "1.1")):
        lab.gateway.requests(5, destination_service=name, destination_version=version, bertmesh_route=version)
        lab.gateway.latency(buckets, destination_service=name, destination_version=version)
    lab.sidecar.own("bertmesh_answers_total", 7, pod="pod-a", route="primary")
    lab.settle()
    wants = [
        RolloutQuery(service, ("1.0", "1.1"), "100"),
        RolloutQuery(other, ("1.1", "1.2"), "2.5"),
        RolloutQuery("nobody", ("1.0",), "25"),
    ]
    prometheus, now = Prometheus(lab.url, SETTINGS), time.time()
    lab.settle()  # a scrape that has begun before now may be stored after it
    together = prometheus.read(wants, now)
    for want in wants:
        alone = prometheus.read([want], now).snapshot(want)
        found = together.snapshot(want)
        assert set(found.series) == set(alone.series)
        assert found.started == alone.started
    assert {series.le for series in together.snapshot(wants[1]).series} >= {"2.5", "+Inf"}
    assert not together.snapshot(wants[2]).series


def test_only_the_asked_edge_is_read(lab: Lab) -> None:
    lab.gateway.latency({"2.5": 1, "25": 2, "+Inf": 3})
    lab.settle()
    kinds = {series.le for series in lab.look("2.5").series if series.kind is Kind.WITHIN}
    assert kinds == {"2.5", "+Inf"}
    assert {s.le for s in lab.look(None).series if s.kind is Kind.WITHIN} == {"2.5", "25", "+Inf"}


def test_a_version_whose_exporter_is_gone_is_not_fresh(lab: Lab) -> None:
    lab.sidecar.requests(5)
    lab.settle()
    cursor = Cursor.at_snapshot(lab.look())
    lab.settle()
    tick = lab.tick(cursor)
    assert (tick.fresh_stable, tick.fresh_canary) == (True, True)
    lab.sidecar.down = True
    lab.settle()
    cursor = Cursor.at_snapshot(lab.look())
    lab.settle()
    tick = lab.tick(cursor)
    assert (tick.fresh_stable, tick.fresh_canary) == (True, False)


def test_the_past_of_the_stable_comes_at_tick_spacing(lab: Lab) -> None:
    for value in (150, 200, 250):
        lab.gateway.requests(value, destination_version="1.0", bertmesh_route="1.0", pod="pod-s")
        lab.settle()
    past = lab.metrics.history("1.0", time.time(), seconds=2, step=0.5)
    values = [snapshot.series[0].value for snapshot in past]
    assert len(past) >= 3
    assert values == sorted(values)
    gaps = {round(b.at - a.at, 3) for a, b in pairwise(past)}
    assert gaps == {0.5}


def test_a_prometheus_that_is_away_is_down_not_empty() -> None:
    metrics = PrometheusMetrics(f"http://127.0.0.1:{free_port()}", SETTINGS)
    with pytest.raises(MetricsDown, match="no metrics from http://127"):
        metrics.counts(("1.0", "1.1"), time.time())
    with pytest.raises(MetricsDown):
        metrics.history("1.0", time.time(), seconds=10, step=1)


def test_a_server_that_is_no_prometheus_is_down(lab: Lab) -> None:
    with pytest.raises(MetricsDown, match=r"JSONDecodeError|HTTP"):
        PrometheusMetrics(f"http://{lab.gateway.address}", SETTINGS).counts(("1.0",), time.time())


def test_a_server_that_never_answers_is_down_after_the_timeout() -> None:
    with _Mute() as address:
        metrics = PrometheusMetrics(f"http://{address}", Settings(timeout_s=0.3))
        with pytest.raises(MetricsDown, match="Timeout"):
            metrics.counts(("1.0",), time.time())


def test_a_query_that_is_refused_says_why(lab: Lab) -> None:
    with pytest.raises(MetricsDown, match="HTTP 400"):
        lab.metrics.history("1.0", time.time(), seconds=10, step=0)


class _Mute:
    """A server that takes connections and says nothing."""

    def __enter__(self) -> str:
        self._socket = socket.create_server(("127.0.0.1", 0))
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._socket.close()

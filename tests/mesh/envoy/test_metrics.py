"""Istio's metrics out of a real Envoy, as a real Prometheus stores them."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mesh.envoy.bootstrap import BUCKETS_MS
from mesh.local.prometheus import render_prometheus
from mesh.model import Split
from mesh.policy import Policy, Retries
from tests.support.gateway import Gateway, gateway
from tests.support.pods import FakePod, pods
from tests.support.processes import Prometheus, prometheus_server, wait_until

pytestmark = pytest.mark.slow

ISTIO_LABELS = {
    "reporter",
    "source_workload",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "destination_workload",
    "destination_workload_namespace",
    "destination_version",
    "destination_app",
    "response_code",
    "response_flags",
    "request_protocol",
    "connection_security_policy",
}
OURS = {"bertmesh_route", "bertmesh_cache"}
SCRAPE = {"__name__", "job", "instance"}


@dataclass(frozen=True)
class Mesh:
    gateway: Gateway
    prometheus: Prometheus
    stable: FakePod
    canary: FakePod
    twin: FakePod

    def count(self, **labels: str) -> float:
        """Return how many requests with these labels Prometheus knows of."""
        selector = ",".join(f'{name}="{value}"' for name, value in labels.items())
        samples = self.prometheus.query(f"sum(istio_requests_total{{{selector}}})")
        return samples[0][1] if samples else 0

    def gains(self, count: int, before: float, **labels: str) -> None:
        """Wait until there are ``count`` more of them."""
        wait_until(lambda: self.count(**labels) >= before + count, f"{count} more requests with {labels}")
        assert self.count(**labels) == before + count


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("metrics")
    # One try of half a second, so that each failure is one attempt.
    policy = Policy(timeout_s=0.5, retries=Retries(attempts=0))
    with pods("1.0", "1.1", "1.0") as (stable, canary, twin):
        members = {"1.0": [stable], "1.1": [canary]}
        with gateway(folder / "mesh", members, Split("1.0"), policy=policy) as here:
            (folder / "targets").mkdir()
            target = {"targets": [f"127.0.0.1:{stable.port}"], "labels": {"pod": "a", "version": "1.0"}}
            (folder / "targets" / "pods.json").write_text(json.dumps([target]))
            configuration = render_prometheus(here.admin.url, folder / "targets")
            with prometheus_server(folder / "prometheus", configuration) as prometheus:
                yield Mesh(here, prometheus, stable, canary, twin)


@pytest.fixture
def mesh(running: Mesh) -> Mesh:
    running.gateway.router.apply(Split("1.0", "1.1"))
    for pod in (running.stable, running.canary):
        pod.does.status, pod.does.delay_s, pod.does.resets = 200, 0.0, 0
        pod.does.headers = {"x-bertmesh-cache": "miss"}
    return running


def test_source_and_destination_report_under_istios_names_and_labels(mesh: Mesh) -> None:
    mesh.gateway.call()
    expected = {
        "source_workload": "gateway",
        "destination_service": "bert.default.svc.cluster.local",
        "destination_service_name": "bert",
        "destination_service_namespace": "default",
        "destination_workload": "bert-1.0",
        "destination_workload_namespace": "default",
        "destination_version": "1.0",
        "destination_app": "bert",
        "response_code": "200",
        "response_flags": "-",
        "request_protocol": "http",
        "connection_security_policy": "none",
        "bertmesh_route": "1.0",
        "bertmesh_cache": "miss",
    }
    selector = 'istio_requests_total{destination_version="1.0",response_code="200"}'
    wait_until(lambda: len(mesh.prometheus.query(selector)) >= 2, "both reporters")
    for labels, _ in mesh.prometheus.query(selector):
        assert {name: labels[name] for name in expected} == expected
        pod = {"pod"} if labels["reporter"] == "destination" else set()
        assert set(labels) == ISTIO_LABELS | OURS | SCRAPE | pod
        assert labels.get("pod", mesh.stable.name) == mesh.stable.name


def test_the_buckets_hold_istios_edges_and_the_counts_agree(mesh: Mesh) -> None:
    mesh.stable.does.delay_s = 0.12
    before = mesh.count(reporter="destination", destination_version="1.0")
    for _ in range(5):
        mesh.gateway.call()
    mesh.gains(5, before, reporter="destination", destination_version="1.0")
    name = "istio_request_duration_milliseconds"
    served = '{reporter="destination",destination_version="1.0"}'
    # Histograms follow the counters with Envoy's next flush, up to a second later.
    wait_until(
        lambda: mesh.prometheus.query(f"sum({name}_count{served})")[0][1] >= before + 5,
        "five more durations",
    )
    samples = mesh.prometheus.query(f"sum by (le) ({name}_bucket{served})")
    buckets = {float(labels["le"]): value for labels, value in samples}
    assert sorted(buckets) == [*BUCKETS_MS, math.inf]
    assert {1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000} <= set(BUCKETS_MS)
    assert buckets[math.inf] == before + 5
    assert buckets[math.inf] - buckets[100] >= 5
    assert buckets[10000] == buckets[math.inf]


def test_a_mirrored_copy_is_counted_at_the_destination_and_not_at_the_source(mesh: Mesh) -> None:
    mesh.gateway.router.apply(Split("1.0", "1.1", mirror=100))
    source = mesh.count(reporter="source", destination_version="1.1")
    copies = {"reporter": "destination", "destination_version": "1.1", "bertmesh_route": "1.0"}
    own = {**copies, "bertmesh_route": "1.1"}
    before, primary = mesh.count(**copies), mesh.count(**own)
    for _ in range(7):
        mesh.gateway.call()
    mesh.gains(7, before, **copies)
    assert mesh.count(**own) == primary
    assert mesh.count(reporter="source", destination_version="1.1") == source


def test_cached_answers_are_counted_apart(mesh: Mesh) -> None:
    hits = {"reporter": "destination", "destination_version": "1.0", "bertmesh_cache": "hit"}
    before = mesh.count(**hits)
    mesh.stable.does.headers = {"x-bertmesh-cache": "hit"}
    mesh.gateway.call()
    mesh.gains(1, before, **hits)


def test_a_pod_that_breaks_off_is_a_503_at_the_destination_as_beside_a_sidecar(mesh: Mesh) -> None:
    broken = {"response_code": "503", "response_flags": "UC", "destination_version": "1.0"}
    there, here = mesh.count(reporter="destination", **broken), mesh.count(reporter="source", **broken)
    mesh.stable.does.resets = 1
    assert mesh.gateway.call().status == 503
    mesh.gains(1, there, reporter="destination", **broken)
    mesh.gains(1, here, reporter="source", **broken)


def test_an_answer_that_comes_too_late_is_a_0_at_the_destination_and_a_504_at_the_source(mesh: Mesh) -> None:
    given_up = {"reporter": "destination", "response_code": "0", "response_flags": "DC"}
    late = {"reporter": "source", "response_code": "504", "response_flags": "UT"}
    there, here = mesh.count(**given_up), mesh.count(**late)
    mesh.stable.does.delay_s = 0.8
    assert mesh.gateway.call().status == 504
    mesh.gains(1, there, **given_up)
    mesh.gains(1, here, **late)


def test_a_pod_that_nobody_reached_is_counted_at_the_source_only(mesh: Mesh) -> None:
    mesh.gateway.set_pods("1.0", [mesh.stable, mesh.twin])
    mesh.gateway.set_pods("1.0", [mesh.twin])
    mesh.twin.kill()
    destination = mesh.count(reporter="destination", destination_version="1.0")
    before = mesh.count(reporter="source", destination_version="1.0", response_code="503")
    assert [mesh.gateway.call().status for _ in range(3)] == [503] * 3
    mesh.gains(3, before, reporter="source", destination_version="1.0", response_code="503")
    flags = {
        labels["response_flags"]
        for labels, _ in mesh.prometheus.query('istio_requests_total{reporter="source",response_code="503"}')
    }
    assert flags & {"UF", "UH"}
    unreached = mesh.prometheus.query(
        'istio_requests_total{reporter="destination",response_flags=~".*U[FH].*"}'
    )
    assert unreached == []
    settled = mesh.count(reporter="destination", destination_version="1.0")
    assert settled - destination <= 1  # the request that first found the second pod may be scraped late
    mesh.gateway.set_pods("1.0", [mesh.stable])


def test_a_request_that_reached_no_version_says_unknown(mesh: Mesh) -> None:
    unknown = {"destination_version": "unknown", "destination_workload": "unknown", "response_code": "404"}
    before = mesh.count(**unknown)
    mesh.gateway.call(x_model_version="9.9")
    mesh.gains(1, before, **unknown)
    assert (
        mesh.prometheus.query('istio_requests_total{destination_version="unknown",reporter="destination"}')
        == []
    )


def test_of_envoys_own_series_only_the_useful_ones_are_kept(mesh: Mesh) -> None:
    wait_until(lambda: mesh.prometheus.query("envoy_cluster_membership_healthy"), "a scrape")
    names = {labels["__name__"] for labels, _ in mesh.prometheus.query('{job="envoy"}')}
    assert {"envoy_http_rds_update_success", "envoy_server_live"} <= names
    assert not {name for name in names if name.startswith("envoy_istio")}
    assert len(mesh.prometheus.query('{job="envoy",__name__!~"istio.*"}')) < 100


def test_pods_are_scraped_as_their_file_names_them(mesh: Mesh) -> None:
    wait_until(lambda: mesh.prometheus.query('up{job="pods"}'), "a scrape of the pod")
    [(labels, _)] = mesh.prometheus.query('up{job="pods"}')
    assert (labels["pod"], labels["version"]) == ("a", "1.0")


def test_the_folder_of_targets_may_be_anywhere() -> None:
    document = render_prometheus("http://127.0.0.1:9901", Path("/srv/targets"))
    assert document["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:9901"]}]
    assert document["scrape_configs"][1]["file_sd_configs"][0]["files"] == ["/srv/targets/pods.json"]

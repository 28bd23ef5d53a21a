"""Many rollouts share what is read of Prometheus; one that is away or slow keeps nobody waiting."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from canary.errors import MetricsDown
from canary.prometheus.bounded import BoundedCaller
from canary.prometheus.client import Prometheus
from canary.prometheus.promql import RolloutQuery
from canary.prometheus.rows import QueryResults
from canary.prometheus.shared import SharedPrometheus
from tests.canary.fakes import FakeClock
from tests.support.processes import LIMIT_S, wait_until

NOWHERE = "http://127.0.0.1:9"
EDGES = ("50", "100", "+Inf")


class Recorded(Prometheus):
    """Answers with a hundred requests of each version and every bucket, once ``open`` is set."""

    def __init__(self) -> None:
        super().__init__(NOWHERE)
        self.reads: list[Sequence[RolloutQuery]] = []
        self.open = threading.Event()
        self.open.set()
        self.down = ""

    def read(self, wants: Sequence[RolloutQuery], at: float) -> QueryResults:
        self.reads.append(wants)
        self.open.wait(LIMIT_S)
        if self.down:
            raise MetricsDown(self.url, self.down)
        pairs = {(want.service, version) for want in wants for version in want.versions}
        rows = [row for service, version in pairs for row in rows_of(service, version, at)]
        return QueryResults.of(at, rows, [], [])


def rows_of(service: str, version: str, at: float) -> list[dict[str, Any]]:
    usual = {"destination_service": service, "destination_version": version, "reporter": "destination"}
    labels = {**usual, "pod": f"{service}-{version}", "instance": "proxy", "response_code": "200"}
    counter = {"__name__": "istio_requests_total", **labels}
    bucket = {"__name__": "istio_request_duration_milliseconds_bucket", **labels}
    series = [counter, *({**bucket, "le": le} for le in EDGES)]
    return [{"metric": each, "values": [(at, "100")]} for each in series]


class Office:
    """A shared with a clock and a Prometheus of the test's."""

    def __init__(self, timeout_s: float = 20.0) -> None:
        self.clock, self.prometheus = FakeClock(), Recorded()
        self.shared = SharedPrometheus(self.prometheus, self.clock, BoundedCaller(NOWHERE, timeout_s))

    def ask(self, number: int, edge: str | None = "100", space: str = "default") -> set[tuple[str, str, str]]:
        versions = ("1.0", f"1.{number + 1}")
        snapshot = self.shared.metrics(f"s{number}.{space}.svc").counts(versions, self.clock.time, edge=edge)
        return {(series.version, series.pod, series.le) for series in snapshot.series}


@pytest.fixture
def office() -> Office:
    return Office()


def test_the_number_of_readings_does_not_grow_with_the_number_of_rollouts(office: Office) -> None:
    with ThreadPoolExecutor(16) as pool:
        for _ in range(3):
            list(pool.map(office.ask, range(200)))
            office.clock.time += 5
    first = len(office.prometheus.reads) - 2
    assert [len(wants) for wants in office.prometheus.reads[-2:]] == [200, 200]
    # Those that are new come as their threads do, and none is read twice.
    assert sum(len(wants) for wants in office.prometheus.reads[:first]) == 200


def test_each_rollout_gets_its_own_versions_and_its_own_edge_out_of_what_all_share(office: Office) -> None:
    office.ask(1)
    office.ask(2, "50")
    office.clock.time += 5
    before = len(office.prometheus.reads)
    for number, edge in ((1, "100"), (2, "50")):
        mine = {(f"1.{k}", f"s{number}.default.svc-1.{k}") for k in (0, number + 1)}
        assert office.ask(number, edge) == {(*who, le) for who in mine for le in ("", edge, "+Inf")}
    assert len(office.prometheus.reads) == before + 1


def test_a_reading_is_for_one_namespace_and_one_purpose(office: Office) -> None:
    for space in ("default", "other"):
        for edge in ("100", "", None):
            office.ask(1, edge, space)
    office.clock.time += 5
    before = len(office.prometheus.reads)
    office.ask(1)
    assert len(office.prometheus.reads) == before + 1
    assert office.prometheus.reads[-1] == [RolloutQuery("s1.default.svc", ("1.0", "1.2"), "100")]


def test_who_has_not_asked_for_long_is_not_read_along(office: Office) -> None:
    office.ask(1)
    office.clock.time += 100
    office.ask(2)
    assert [want.service for want in office.prometheus.reads[-1]] == ["s2.default.svc"]


def test_nobody_gets_the_same_reading_twice_nor_an_old_one(office: Office) -> None:
    one, other = (RolloutQuery(f"s{k}.default.svc", ("1.0",), "100") for k in (1, 2))
    board = office.shared.readings(one)
    for want in (one, other):
        board.snapshot(want)
    first = board.snapshot(one).at
    office.clock.time += 1.0
    assert board.snapshot(other).at == first
    assert board.snapshot(one).at == first + 1.0
    office.clock.time += 10.0
    assert board.snapshot(other).at == first + 11.0
    assert board.snapshot(one).at == first + 11.0


def test_a_prometheus_that_hangs_is_asked_once_and_all_go_on_when_it_is_back() -> None:
    office = Office(timeout_s=0.3)
    office.prometheus.open.clear()
    with pytest.raises(MetricsDown, match=r"no answer in 0\.3 s"):
        office.ask(1)
    for number in range(20):
        office.clock.time += 5
        with pytest.raises(MetricsDown, match=r"no answer in 0\.3 s"):
            office.ask(number)
        with pytest.raises(MetricsDown):
            office.shared.metrics("s.default.svc").history("1.0", office.clock.time, seconds=10, step=1)
    assert len(office.prometheus.reads) == 1
    office.prometheus.open.set()

    def back() -> bool:
        office.clock.time += 5
        with suppress(MetricsDown):
            return bool(office.ask(3))
        return False

    wait_until(back, "it answers again")


def test_a_failure_is_shared_like_an_answer(office: Office) -> None:
    for number in range(20):
        office.ask(number)
    before = len(office.prometheus.reads)
    office.clock.time += 5
    office.prometheus.down = "HTTP 400: too many samples"
    for number in range(20):
        with pytest.raises(MetricsDown, match="too many samples"):
            office.ask(number)
    assert len(office.prometheus.reads) == before + 1
    office.prometheus.down = ""
    office.clock.time += 5
    assert office.ask(1)

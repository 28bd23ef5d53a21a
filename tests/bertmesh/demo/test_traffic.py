"""The demo's traffic, sent to a small server."""

import itertools
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Event, Thread

import pytest

from bertmesh.demo.capacity import CLIENTS, ENOUGH, measure_capacity
from bertmesh.demo.traffic import CLIENT_THREADS, Traffic
from observability.names import VERSION_HEADER

SENTENCES = ["今天天气很好。", "我喜欢看书。"]
LIMIT_S = 60.0


class Gateway(ThreadingHTTPServer):
    """Answers every request once it is ``open``; ``arrived`` are those that it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.open = Event()
        self.arrived = 0
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        self.server.arrived += 1
        self.rfile.read(int(self.headers["content-length"]))
        self.server.open.wait(LIMIT_S)
        self.send_response(self.server.status)
        self.send_header(VERSION_HEADER, "1.0")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.open.set()
        server.shutdown()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_answer_is_on_record_with_its_version(gateway: Gateway) -> None:
    gateway.open.set()
    traffic = Traffic(gateway.url, SENTENCES, rate=200.0, random=Random(1))
    traffic.start()
    until(lambda: len(traffic.answers()) > 50)
    traffic.stop()
    answers = traffic.answers()
    assert len(answers) == gateway.arrived
    assert {answer.version for answer in answers} == {"1.0"}
    assert not any(answer.failed for answer in answers)
    middle = answers[len(answers) // 2].sent_at
    assert len(traffic.answers(middle)) + len(traffic.answers(until=middle)) == len(answers)


def test_what_a_busy_gateway_cannot_take_is_left_out_and_less_is_sent(gateway: Gateway) -> None:
    traffic = Traffic(gateway.url, SENTENCES, rate=200.0, random=Random(1))
    traffic.start()
    until(lambda: traffic.pace.eased_to)
    assert gateway.arrived <= CLIENT_THREADS
    assert traffic.pace.rate < 200.0
    gateway.open.set()
    until(lambda: traffic.pace.rate > traffic.pace.eased_to)
    traffic.stop()
    assert len(traffic.answers()) == gateway.arrived


def test_clients_that_never_pause_measure_what_is_carried(gateway: Gateway) -> None:
    gateway.open.set()
    ticks = itertools.count()
    capacity = measure_capacity(gateway.url, SENTENCES, seed=1, clock=lambda: next(ticks) / 50)
    assert capacity.clients == CLIENTS
    assert capacity.per_s * LIMIT_S > ENOUGH
    assert capacity.median_s > 0


def test_a_gateway_that_only_fails_carries_nothing(gateway: Gateway) -> None:
    gateway.open.set()
    gateway.status = 503
    ticks = itertools.count()
    capacity = measure_capacity(gateway.url, SENTENCES, seed=1, clock=lambda: next(ticks) / 50)
    assert (capacity.per_s, capacity.median_s) == (0.0, 0.0)

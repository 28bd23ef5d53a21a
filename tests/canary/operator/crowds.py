"""Clients of several Services whose requests follow the routes, counted as proxies count them."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from mesh.cluster.errors import UnreadableRoute
from mesh.cluster.read import read_split
from tests.support.kubeapi import KubeApi

VERSIONS = ("1.0", "1.1")
RPS = 120.0
WITHIN = {"50": 0.9, "100": 0.99, "250": 1.0, "+Inf": 1.0}
SLOW = {"50": 0.1, "100": 0.3, "250": 1.0, "+Inf": 1.0}


@dataclass
class Habits:
    """How a Service's versions behave: shares of failures, who is slow, whom nobody calls, pods by name."""

    bad: dict[str, float] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    avoided: set[str] = field(default_factory=set)
    pods: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict.fromkeys(VERSIONS, ("a", "b")))


class Crowd:
    """Sends requests to each Service of ``habits`` while it is looked at."""

    def __init__(self, api: KubeApi, habits: Mapping[str, Habits]) -> None:
        self.api, self.habits = api, habits
        self._sums: dict[str, float] = defaultdict(float)
        self._since = time.monotonic()
        self._lock = threading.Lock()

    def page(self) -> str:
        """Return what the proxies have counted until now."""
        with self._lock:
            now = time.monotonic()
            seconds, self._since = now - self._since, now
            for service, habits in self.habits.items():
                self._send(service, habits, RPS * seconds)
            return "".join(f"{name} {int(value)}\n" for name, value in self._sums.items())

    def _send(self, service: str, habits: Habits, requests: float) -> None:
        for version, weight in self._shares(service):
            sent = 0.0 if version in habits.avoided else requests * weight / 100
            where = (
                f'destination_service="{service}.default.svc.cluster.local",destination_version="{version}",'
                'response_flags="-",bertmesh_cache="miss",'
            )
            self._sums[f'istio_requests_total{{reporter="source",response_code="200",{where}}}'] += sent
            pods = habits.pods[version]
            for pod in pods:
                labels = f'reporter="destination",{where}pod="{service}-{version}-{pod}"'
                self._answer(labels, sent / len(pods), habits, version)

    def _answer(self, labels: str, requests: float, habits: Habits, version: str) -> None:
        bad = requests * habits.bad.get(version, 0.0)
        self._sums[f'istio_requests_total{{response_code="200",{labels}}}'] += requests - bad
        self._sums[f'istio_requests_total{{response_code="503",{labels}}}'] += bad
        name = "istio_request_duration_milliseconds_bucket"
        for le, share in (SLOW if version in habits.slow else WITHIN).items():
            self._sums[f'{name}{{response_code="200",le="{le}",{labels}}}'] += requests * share

    def _shares(self, service: str) -> tuple[tuple[str, int], ...]:
        if self.api.has("VirtualService", service):
            with suppress(UnreadableRoute):
                return read_split(self.api.get("VirtualService", service), service, VERSIONS).shares
        return (("1.0", 100),)


@contextmanager
def exported(crowd: Crowd) -> Iterator[str]:
    """Serve what is counted; yield the address for Prometheus."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = crowd.page().encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

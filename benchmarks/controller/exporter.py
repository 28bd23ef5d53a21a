"""What the proxies of many Services would show: counters that grow with the time, for a real Prometheus."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Final

PODS: Final = ("a", "b")
RPS: Final = 100.0
CANARY_SHARE: Final = 0.2
FAILED: Final = 0.001
WITHIN: Final = {"50": 0.9, "100": 0.99, "250": 0.999, "+Inf": 1.0}


def lines(services: int, seconds: float) -> Iterator[str]:
    """Yield all series after ``seconds`` of traffic of which the canaries get a fifth."""
    shares = (("1.0", 1 - CANARY_SHARE), ("1.1", CANARY_SHARE))
    for number in range(services):
        for version, share in shares:
            requests = int(RPS * share * seconds)
            where = (
                f'destination_service="s{number}.default.svc.cluster.local",destination_version="{version}",'
                'response_flags="-",bertmesh_cache="miss",'
            )
            yield f'istio_requests_total{{reporter="source",response_code="200",{where}}} {requests}\n'
            for pod in PODS:
                yield from _pod(
                    f'reporter="destination",{where}pod="s{number}-{version}-{pod}"', requests // 2
                )


def _pod(labels: str, requests: int) -> Iterator[str]:
    failed = int(requests * FAILED)
    yield f'istio_requests_total{{response_code="200",{labels}}} {requests - failed}\n'
    yield f'istio_requests_total{{response_code="503",{labels}}} {failed}\n'
    name = "istio_request_duration_milliseconds_bucket"
    for le, share in WITHIN.items():
        yield f'{name}{{response_code="200",le="{le}",{labels}}} {int(requests * share)}\n'


def serve(services: int, pipe: Connection) -> None:
    """Serve the counters of ``services`` Services; send the port, end when anything comes back."""
    begun = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = "".join(lines(services, time.monotonic() - begun)).encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.timeout = 0.2
    pipe.send(server.server_port)
    while not pipe.poll():
        server.handle_request()

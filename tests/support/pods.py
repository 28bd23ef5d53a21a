"""A stand-in for a model pod: a small HTTP server that does as the test says and remembers what it saw."""

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mesh.model import Endpoint

LOOPBACK = "127.0.0.1"


@dataclass
class Behaviour:
    """What a pod does with its next requests; a test changes it at any time."""

    status: int = 200
    delay_s: float = 0.0
    resets: int = 0
    ready: bool = True
    headers: dict[str, str] = field(default_factory=lambda: {"x-bertmesh-cache": "miss"})


class FakePod:
    """One pod of one version, on a port of its own unless ``address`` names one."""

    def __init__(self, version: str, name: str = "", address: tuple[str, int] = (LOOPBACK, 0)) -> None:
        """Start to listen."""
        self.version = version
        self.name = name or f"bert-{version}-a"
        self.does = Behaviour()
        self.seen: list[Mapping[str, str]] = []
        self._server = _Server(self, address)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def endpoint(self) -> Endpoint:
        """Its address."""
        return Endpoint(self.name, LOOPBACK, self.port)

    def kill(self) -> None:
        """End as a killed process does: nobody listens, and open connections break."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.break_connections()


@contextmanager
def pods(*versions: str) -> Iterator[list[FakePod]]:
    """Run a pod for each version named; a version named twice gets two pods."""
    made: list[FakePod] = []
    try:
        for number, version in enumerate(versions):
            made.append(FakePod(version, f"bert-{version}-{number}"))
        yield made
    finally:
        for pod in made:
            pod.kill()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Many connections may come at the same moment.
    request_queue_size = 128

    def __init__(self, pod: FakePod, address: tuple[str, int]) -> None:
        self.pod = pod
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - the signature of the standard library
        self._connections.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        for connection in list(self._connections):
            _reset(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        does = self.server.pod.does
        if self.path == "/readyz":
            self._answer(200 if does.ready else 503, b"", {})
            return
        self.server.pod.seen.append(_lower(self.headers))
        time.sleep(does.delay_s)
        if does.resets:
            does.resets -= 1
            self.close_connection = True
            _reset(self.connection)
            return
        answer = {"version": self.server.pod.version, "pod": self.server.pod.name, "bytes": len(body)}
        self._answer(does.status, json.dumps(answer).encode(), does.headers)

    do_POST = do_GET  # noqa: N815 - the same

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        fields = {
            "content-length": str(len(body)),
            "content-type": "application/json",
            "x-model-version": self.server.pod.version,
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.wfile.write(f"HTTP/1.1 {status} Test\r\n{head}\r\n".encode() + body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _reset(connection: socket.socket) -> None:
    # A plain close would wait until the handler's file objects are closed too.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

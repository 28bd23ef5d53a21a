"""A Kubernetes API server for tests, over real HTTP."""

import json
import select
import socket
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.kubeapi.routing import Answer, Request, Router

LOOPBACK = "127.0.0.1"
# Documents that describe nothing: a client that checks objects by them (Helm) passes all; nothing in protobuf
# is an empty document.
SCHEMAS = {"/openapi/v2": b"", "/openapi/v3": b'{"paths": {}}'}


@dataclass
class Fault:
    """What goes wrong with the next ``times`` requests that fit.

    They get an answer of ``code`` after ``delay_s`` seconds. 0: none, the connection is closed; 200: the
    right one, only late.
    """

    code: int = 503
    times: int = 1
    method: str = ""
    path: str = ""
    delay_s: float = 0.0

    def fits(self, request: Request) -> bool:
        return self.times > 0 and self.method in ("", request.method) and self.path in request.path


@dataclass(frozen=True)
class Seen:
    """A request that was answered. ``manager`` is the field manager of a write."""

    method: str
    path: str
    code: int
    manager: str
    query: Mapping[str, str]


@dataclass
class Server:
    """Listens; may be stopped and started again on the same port, with all that is stored."""

    router: Router
    port: int = 0
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    open: set[socket.socket] = field(default_factory=set)

    def start(self) -> None:
        self.stopping = threading.Event()
        self.router.verbs.storage.reopen()
        self._http = _Http((LOOPBACK, self.port), self)
        self.port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop answering: open connections are cut, watches too."""
        self.stopping.set()
        self.router.verbs.storage.close()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        for connection in list(self.open):
            _cut(connection)
        self._http.join()

    def answer(self, request: Request) -> Answer | None:
        """Answer a request, or not at all where a fault says so."""
        fault = next((fault for fault in self.faults if fault.fits(request)), None)
        if fault is not None:
            fault.times -= 1
            self.stopping.wait(fault.delay_s)
            if fault.code == 0:
                return None
        try:
            answer = (
                self.router.answer(request) if fault is None or fault.code == 200 else _failure(fault.code)
            )
        except Exception:  # noqa: BLE001 - told at the end of the test
            self.crashes.append(traceback.format_exc())
            answer = _failure(500)
        self.seen.append(Seen(request.method, request.path, answer.code, request.manager, request.query))
        return answer


def _failure(code: int) -> Answer:
    names = {409: "Conflict", 429: "TooManyRequests", 503: "ServiceUnavailable"}
    reason = names.get(code, "InternalError")
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}
    return Answer(code, {**status, "reason": reason, "message": f"{reason} (by the test)"})


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # The client was quicker.
        return


class _Http(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], server: Server) -> None:
        self.owner = server
        self.workers: list[threading.Thread] = []
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        worker = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self.workers = [*(thread for thread in self.workers if thread.is_alive()), worker]
        worker.start()

    def join(self) -> None:
        for worker in self.workers:
            worker.join(5)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as in the base class
        """Say nothing of clients that hang up; anything else is a mistake in here."""
        text = traceback.format_exc()
        if "ConnectionResetError" not in text and "BrokenPipeError" not in text:
            self.owner.crashes.append(text)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.owner.open.add(self.connection)

    def finish(self) -> None:
        self.server.owner.open.discard(self.connection)
        super().finish()

    def _handle(self) -> None:
        url = urlsplit(self.path)
        if url.path in SCHEMAS:
            self._describe(SCHEMAS[url.path])
            return
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, unquote(url.path), dict(parse_qsl(url.query)), headers, body)
        answer = self.server.owner.answer(request)
        if answer is None:
            self.close_connection = True
        elif answer.watch is not None:
            self._stream(answer)
        else:
            self._send(answer)

    def _describe(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send(self, answer: Answer) -> None:
        body = json.dumps(answer.body).encode()
        self.send_response(answer.code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for warning in answer.warnings:
            text = warning.replace('"', '\\"')
            self.send_header("Warning", f'299 - "{text}"')
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, answer: Answer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json;stream=watch")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in answer.watch.events() if answer.watch else ():
            if event is not None:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            elif self._gone():
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _gone(self) -> bool:
        """Return whether the client has hung up."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def log_message(self, *_: object) -> None:
        """Say nothing: `Server.seen` holds it."""

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - names that http.server looks for

"""Somebody who is asked or told over HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.processes import LIMIT_S


@dataclass
class Receiver:
    """Answers with the codes in ``codes``, the last of them for ever; ``heard`` is what was posted."""

    codes: list[int] = field(default_factory=lambda: [200])
    words: str = ""
    heard: list[dict[str, Any]] = field(default_factory=list)
    wait: threading.Event | None = None
    url: str = ""

    def answer(self, body: bytes) -> int:
        self.heard.append(json.loads(body))
        if self.wait is not None:
            self.wait.wait(LIMIT_S)
        return self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]


class Patient(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as in the base class
        """Say nothing of those who did not wait for the answer."""


@contextmanager
def listening(*codes: int, words: str = "") -> Iterator[Receiver]:
    receiver = Receiver(list(codes) or [200], words)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(receiver.answer(body))
            self.send_header("Content-Length", str(len(receiver.words)))
            self.end_headers()
            self.wfile.write(receiver.words.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = Patient(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    try:
        yield receiver
    finally:
        if receiver.wait is not None:
            receiver.wait.set()
        server.shutdown()
        server.server_close()
        thread.join()

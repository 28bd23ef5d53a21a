"""What a pod meets in a bad week: clients that behave, and clients that do not."""

import random
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Any

import numpy as np
import urllib3

from benchmarks.serving.material import sentences

OK, LATE, BUSY = 200, 408, 429
JSON = {"Content-Type": "application/json"}
CLOSED = "closed"
"""In place of a status: the pod hung up, as it should on clients that send nothing whole."""
BODIES: Sequence[tuple[str, bytes, int]] = (
    ("/fill-mask", b'{"text": "\xff\xfe"}', 400),
    ("/fill-mask", b'{"text": "\\ud800[MASK]"}', 400),
    ("/fill-mask", b"{", 400),
    ("/fill-mask", b'{"text": "  "}', 422),
    ("/fill-mask", b'{"text": "\xe4\xb8\x80"}', 422),
    ("/fill-mask", b'{"text": "' + b"[MASK]" * 10_000 + b'"}', 422),
    ("/feature-extraction", b'{"text": []}', 422),
    ("/feature-extraction", b'{"text": "' + b"a" * (1 << 20) + b'"}', 413),
    ("/semantic-similarity", b'{"text": "\xe4\xb8\x80"}', 422),
    ("/v2/repository/index", b"{}", 404),
    ("/nowhere", b"{}", 404),
    ("/feature-extraction", '{"text": "😀👩‍👩‍👧‍👦🇨🇳𠮷"}'.encode(), OK),
)


@dataclass(frozen=True)
class Seen:
    """One thing that was asked, and what came of it."""

    kind: str
    result: str
    expected: bool
    seconds: float


class Loads:
    """Runs kinds of clients, each on threads of its own, until they are told to stop."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = Event()
        self._lock = Lock()
        self._threads: list[Thread] = []
        self._texts = sentences(2000)
        weights = 1 / np.arange(1, len(self._texts) + 1)
        self._drawn = np.random.default_rng(7).choice(len(self._texts), 100_000, p=weights / weights.sum())
        self.seen: list[Seen] = []

    def start(self, kind: str, act: Callable[[random.Random], tuple[object, bool]], pause_s: float) -> None:
        """Do something again and again; it returns a result, and whether that is as it should be."""
        self._threads.append(Thread(target=self._repeat, args=(kind, act, pause_s), daemon=True))
        self._threads[-1].start()

    def stop(self) -> None:
        """End all clients."""
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def http(self) -> None:
        """Start all that comes over HTTP."""
        for _ in range(3):
            self.start("mixed", self._caller(self._mixed, {OK}), 0.01)
        self.start("batches", self._caller(self._batch, {OK, BUSY}), 0.1)
        self.start("long texts", self._caller(self._long, {OK, BUSY}), 2.0)
        self.start("hurried", self._caller(self._hurried, {OK, LATE, BUSY}), 0.03)
        self.start("bad requests", self._bad, 0.02)
        self.start("slow clients", self._slow, 0.5)
        self.start("half-open", self._half_open, 0.2)

    def _repeat(self, kind: str, act: Callable[[random.Random], tuple[object, bool]], pause_s: float) -> None:
        chance = random.Random(f"{kind}{len(self._threads)}")
        while not self._over.wait(pause_s * 2 * chance.random()):
            started = time.monotonic()
            try:
                result, expected = act(chance)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what the client saw
                result, expected = repr(error)[:120], False
            with self._lock:
                self.seen.append(Seen(kind, str(result), expected, time.monotonic() - started))

    def _caller(
        self, make: Callable[[random.Random], tuple[str, object, dict[str, str]]], expected: set[int]
    ) -> Callable[[random.Random], tuple[int, bool]]:
        http = urllib3.PoolManager(retries=False, timeout=30)

        def call(chance: random.Random) -> tuple[int, bool]:
            path, body, headers = make(chance)
            status = http.request("POST", self._url(path), json=body, headers=JSON | headers).status
            return status, status in expected

        return call

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._port}{path}"

    def _text(self, chance: random.Random) -> str:
        return self._texts[int(self._drawn[chance.randrange(len(self._drawn))])]

    def _mixed(self, chance: random.Random) -> tuple[str, dict[str, Any], dict[str, str]]:
        text = self._text(chance)
        return chance.choice(
            (
                ("/fill-mask", {"text": f"{text[:8]}[MASK]{text[9:]}", "top_k": chance.randint(1, 10)}, {}),
                ("/semantic-similarity", {"text": text, "text_pair": self._text(chance)}, {}),
                ("/feature-extraction", {"text": text}, {}),
                ("/v1/embeddings", {"input": text, "model": "zh-small"}, {}),
            )
        )

    def _batch(self, chance: random.Random) -> tuple[str, dict[str, Any], dict[str, str]]:
        texts = [self._text(chance) for _ in range(chance.randint(2, 32))]
        return "/feature-extraction", {"text": texts, "pooling": "mean"}, {}

    def _long(self, chance: random.Random) -> tuple[str, dict[str, Any], dict[str, str]]:
        """A text of several windows, with several masks, of each of which many words are wanted."""
        pages = "".join(self._text(chance) for _ in range(chance.randint(10, 80)))
        every = len(pages) // chance.randint(1, 8)
        text = "".join(f"[MASK]{pages[at + 1 : at + every]}" for at in range(0, len(pages) - 1, every))
        return "/fill-mask", {"text": text, "top_k": chance.randint(10, 100)}, {}

    def _hurried(self, chance: random.Random) -> tuple[str, dict[str, Any], dict[str, str]]:
        body = {"text": f"{self._text(chance)}{chance.random()}"}
        return "/feature-extraction", body, {"X-Request-Timeout-Ms": str(chance.randint(1, 20))}

    def _bad(self, chance: random.Random) -> tuple[int, bool]:
        path, body, expected = chance.choice(BODIES)
        url = self._url(path)
        status = urllib3.request("POST", url, body=body, headers=JSON, retries=False, timeout=30).status
        return status, status == expected

    def _slow(self, _chance: random.Random) -> tuple[str, bool]:
        """Send a request so slowly that the pod gives up."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
            connection.sendall(b"POST /fill-mask HTTP/1.1\r\nHost: pod\r\nContent-Type: application/json\r\n")
            connection.sendall(b"Content-Length: 1000\r\n\r\n")
            answer = b""
            with suppress(ConnectionError):
                for _ in range(100):
                    connection.sendall(b" ")
                    connection.settimeout(0.2)
                    with suppress(TimeoutError):
                        answer = connection.recv(1000)
                        break
        said = answer[9:12].decode() or CLOSED
        return said, said in (CLOSED, str(LATE))

    def _half_open(self, chance: random.Random) -> tuple[str, bool]:
        """Connect, say little or nothing, and vanish without a goodbye."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
            connection.sendall(chance.choice((b"", b"P", b"POST /fill-mask HTTP/1.1\r\n")))
            self._over.wait(chance.random())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        return CLOSED, True

"""Strangers: what somebody does to a pod's port who means it harm, or who is merely broken."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from benchmarks.losses.clients import BODY, TASK

HEAD = f"POST {TASK} HTTP/1.1\r\nHost: pod\r\nContent-Type: application/json\r\n".encode()
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
FAREWELL = WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
RESET = b"\x01\0\0\0\0\0\0\0"
"""SO_LINGER: close with a reset instead of a goodbye."""


class Stranger:
    """Makes ``count`` connections to a port, and does something with each for as long as it stands."""

    def __init__(
        self, port: int, count: int, first: bytes, more: bytes = b"", *, rest_s: float = 1.0
    ) -> None:
        self._port, self._count, self._first, self._more, self._rest_s = port, count, first, more, rest_s
        self.held: list[socket.socket] = []
        self._over = Event()
        self._thread = Thread(target=self._work, daemon=True)

    def begin(self) -> None:
        """Make the connections, and go on on a thread."""
        self._thread.start()

    def end(self) -> None:
        """Let go of all connections."""
        self._over.set()
        self._thread.join()
        for each in self.held:
            each.close()

    def _work(self) -> None:
        while len(self.held) < self._count and not self._over.is_set() and self._one_more():
            pass
        while not self._over.is_set():
            self.held = [each for each in self.held if self._goes_on(each)]
            self._over.wait(self._rest_s)

    def _one_more(self) -> bool:
        with suppress(OSError):
            made = socket.create_connection(("127.0.0.1", self._port), timeout=1)
            self.held.append(made)
            made.sendall(self._first)
            return True
        return False

    def _goes_on(self, connection: socket.socket) -> bool:
        """Send a little more; tell whether the connection still stands."""
        try:
            connection.settimeout(0)
            connection.send(self._more)
            return connection.recv(65536) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False


class Lingering(Stranger):
    """Asks for the connection's end, and does not end it."""

    def _goes_on(self, connection: socket.socket) -> bool:
        del connection
        return True

    def _work(self) -> None:
        while not self._over.is_set():
            self._one_more()
            self.held, old = self.held[-self._count :], self.held[: -self._count]
            for each in old:
                each.close()
            self._over.wait(self._rest_s)


class Hasty(Lingering):
    """Hangs up with a reset while its answer is being made."""

    def _one_more(self) -> bool:
        done = super()._one_more()
        for each in self.held:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            each.close()
        self.held = []
        return done


KINDS: dict[str, Callable[[int], Stranger]] = {
    "200 silent, again each second": lambda port: Lingering(port, 200, b"", rest_s=0.005),
    "1,500 silent": lambda port: Stranger(port, 1500, b""),
    "80 send a header, byte by byte": lambda port: Stranger(port, 80, HEAD, b"X"),
    "80 send a body, byte by byte": lambda port: Stranger(
        port, 80, HEAD + b"Content-Length: 999\r\n\r\n{", b" "
    ),
    "ask for the end and do not hang up": lambda port: Lingering(port, 100, FAREWELL, rest_s=0.1),
    "hang up before the answer": lambda port: Hasty(port, 1, WHOLE, rest_s=0.02),
}


@contextmanager
def strangers(kind: str, port: int) -> Iterator[None]:
    """Let strangers of one kind at a port until the block ends."""
    one = KINDS[kind](port)
    one.begin()
    try:
        time.sleep(1.0)  # first they take what they can get
        yield
    finally:
        one.end()

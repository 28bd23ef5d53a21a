"""Gunicorn's threaded worker, made safe against strangers and at its end.

What gunicorn does by itself, and what a pod loses by it, is measured: ``make bench-losses``; the table is in
ARCHITECTURE.md. Each method here is one row of it.
"""

import errno
import socket
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from time import monotonic
from typing import Any

from gunicorn import util
from gunicorn.workers import gthread

from service.server.listener import turn_away

LIMIT_S = 5.0
"""For the headers and the body together, and once more for the answer: 1 MiB at 1.7 Mbit/s."""

_SILENT: Future[object] = Future()
"""What gunicorn's threads say of a connection on which nothing has come yet."""
_SILENT.set_result(gthread._DEFER)  # noqa: SLF001 - gunicorn's only word for it


class DeadlineSocket(socket.socket):
    """A connection that breaks off when its time to read or to write is over."""

    read_by: float | None = None
    """When, on the monotonic clock, the request must be there; None while none is read."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Read as ever, but not past the deadline."""
        receive = super().recv
        if self.read_by is None:
            return receive(size, flags)
        read: bytes = self._within(self.read_by - monotonic(), lambda: receive(size, flags))
        return read

    def sendall(self, data: Any, flags: int = 0, /) -> None:  # noqa: ANN401 - any buffer, as the original takes it
        """Write as ever, but not for longer than the limit."""
        send = super().sendall
        self._within(LIMIT_S, lambda: send(data, flags))

    def _within(self, seconds: float, act: Callable[[], Any]) -> Any:  # noqa: ANN401 - what it returns
        # As if the client had gone: gunicorn closes such connections without a word.
        slow = ConnectionResetError(errno.ECONNRESET, "the client is too slow")
        if seconds <= 0:
            raise slow
        try:
            self.settimeout(seconds)
            return act()
        except TimeoutError:
            raise slow from None
        finally:
            self.settimeout(None)


class Worker(gthread.ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """The threaded worker; slow and silent clients lose their connection, not the pod its threads."""

    def enqueue_req(self, conn: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        """Let a new connection wait for its first byte without a thread: gunicorn gives it one for 5 s."""
        new = not (conn.initialized or conn.data_ready)
        if new:
            conn.sock = DeadlineSocket(fileno=conn.sock.detach())
        if new and self.alive:
            self.finish_request(conn, _SILENT)
        else:
            super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - the same
        """Answer one request, if it arrives in time, and see its connection off on this thread.

        Gunicorn waits for a client to close its end, for up to 2 s, on the thread that accepts all others.
        """
        conn.sock.read_by = monotonic() + LIMIT_S
        kept = super().handle(conn)
        if not kept:
            with suppress(OSError):  # the client has gone already
                if monotonic() < conn.sock.read_by:
                    util.close_graceful(conn.sock.dup())
                conn.sock.shutdown(socket.SHUT_RDWR)
        return kept

    def murder_pending(self) -> None:
        """End silent connections whose time is over; the longest silent sooner, where it keeps others out.

        Whether it was answered before does not matter: who has just come may be the only one that was not.
        """
        silent = [conns for conns in (self.pending_conns, self.keepalived_conns) if conns]
        if silent and self.nr_conns >= self.worker_connections:
            min(silent, key=lambda conns: conns[0].timeout)[0].timeout = 0.0
            self.murder_keepalived()
        super().murder_pending()

    def _cap_keepalive(self, deadline: float) -> None:
        """At the end, let silent connections go as soon as idle ones: they kept the pod for 30 s."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's own
        """Accept connections or none; at the end, close the port as soon as all who had come are in.

        Gunicorn leaves it open, accepts nobody, and resets who has come when it exits.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                turn_away(listener)
                while self._accepts_one_more(listener):
                    pass
                listener.close()

    def _accepts_one_more(self, listener: Any) -> bool:  # noqa: ANN401 - the same
        before = self.nr_conns
        self.accept(listener)
        return bool(self.nr_conns > before)

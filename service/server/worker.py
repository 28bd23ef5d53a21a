"""Gunicorn's threaded worker, with an end to its patience.

The original reads and writes for as long as the client likes: a client that sends a byte now and then
keeps a thread, and as many such clients as there are threads keep the pod. Here a request has to
arrive, and its answer to be taken, within a number of seconds each. And a connection that ends is seen
off by the thread that answered, not by the one that accepts all the others.

Its end loses no request: who has connected is answered, and who comes later is refused by the kernel,
which every client and gateway takes for what it is.
"""

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from gunicorn import util
from gunicorn.workers import gthread

from service.server.listener import turn_away
from service.server.request import Incoming

LIMIT_S = 5.0
"""For the headers and the body together, and once more for the answer: 1 MiB at 1.7 Mbit/s."""
FIRST_BYTE_S = 0.05
"""How long a thread waits with a new connection; then the poller does."""
LAST_BYTE_S = 2.0
"""The same at the end, when there is no later: as long as gunicorn keeps connections that were used."""
SETTLE_S = 0.1
"""How long a client may take for the last step of connecting, when the port is about to close."""


class ImpatientSocket(socket.socket):
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
        before = self.gettimeout()
        try:
            self.settimeout(seconds if before is None else min(seconds, before))
            return act()
        except TimeoutError:
            raise slow from None
        finally:
            self.settimeout(before)


class _Listener:
    """A listening socket whose connections are impatient."""

    def __init__(self, listener: Any) -> None:  # noqa: ANN401 - gunicorn has no types
        self._listener = listener

    def accept(self) -> tuple[ImpatientSocket, object]:
        accepted, address = self._listener.accept()
        return ImpatientSocket(fileno=accepted.detach()), address

    def getsockname(self) -> object:
        return self._listener.getsockname()


class ImpatientWorker(gthread.ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """The threaded worker; slow clients lose their connection, not the pod its threads."""

    def accept(self, listener: Any) -> None:  # noqa: ANN401 - the same
        """Take a connection, if another file may be open."""
        try:
            super().accept(_Listener(listener))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            # Each thread opens a file while it waits for a first byte; the model and Redis need some too.
            self.worker_connections = max(1, self.nr_conns - self.cfg.threads - 16)
            said = "no more files may be open (%s): at most %d connections from now on; raise `ulimit -n`"
            self.log.warning(said, error, self.worker_connections)

    def murder_pending(self) -> None:
        """End connections whose time is over; if there are as many as there may be, silent ones before it.

        Clients that vanished without a goodbye would keep all others out. Those that have been silent for
        longest go first, and those that never said a word before those that were answered.
        """
        super().murder_pending()
        while self.nr_conns >= self.worker_connections and (
            silent := self.pending_conns or self.keepalived_conns
        ):
            silent[0].timeout = 0.0
            super().murder_pending()
            self.murder_keepalived()

    def _cap_keepalive(self, deadline: float) -> None:
        """At the end, let silent connections go as soon as idle ones: they kept the pod for 30 s."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def handle(self, conn: Any) -> Any:  # noqa: ANN401 - the same
        """Answer one request, if it arrives in time."""
        connection = conn.sock
        if not conn.initialized:
            alive = self.alive
            if not conn.wait_for_data(FIRST_BYTE_S if alive else LAST_BYTE_S):
                return gthread._DEFER if alive else _part(connection, late=True)  # noqa: SLF001 - what the original returns, after 5 s of a thread's time
            connection.settimeout(None)
            conn.init()
            conn.parser.mesg_class = partial(Incoming, self._is_leaving)
        connection.read_by = monotonic() + LIMIT_S
        try:
            kept = super().handle(conn)
        finally:
            late, connection.read_by = monotonic() >= connection.read_by, None
        return kept if kept is not False else _part(connection, late=late)

    def finish_request(self, conn: Any, fs: Any) -> None:  # noqa: ANN401 - the same
        """Keep the connection, or count it out; wait once more for a silent one if there is no later."""
        result = None if fs.cancelled() or fs.exception() else fs.result()
        if result is False:
            # Closed by `handle`: gunicorn would close it again, fail, and count it out twice.
            self.nr_conns -= 1
        elif result is gthread._DEFER and not self.alive:  # noqa: SLF001 - as above
            self.enqueue_req(conn)
        else:
            super().finish_request(conn, fs)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's own
        """Accept connections or none; at the end close the port, when all who had come are in."""
        if enabled or self.alive:
            super().set_accept_enabled(enabled)
            return
        super().set_accept_enabled(True)
        for listener in self.sockets:
            turn_away(listener)
        end = monotonic() + SETTLE_S
        while (left := end - monotonic()) > 0 or (left > -LAST_BYTE_S and self._accepts_one_more()):
            self.wait_for_and_dispatch_events(max(left, 0))
        super().set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ANN401 - the same
        """Answer what gunicorn could not read, or the application not answer, with a problem document."""
        # Imported here: the master imports this module too, and needs none of it.
        from service.http.refusals import refusal  # noqa: PLC0415

        request = req or getattr(exc, "req", None)
        slug, answer = refusal(exc, getattr(request, "path", None) or "")
        self.wsgi.extensions["bertmesh"].metrics.rejected.labels(slug).inc()
        self.log.warning("answered %s to %s: %r", slug, (addr or ("",))[0], str(exc)[:200])
        with suppress(OSError):  # the client has gone already
            client.sendall(answer)

    def _is_leaving(self) -> bool:
        leaving: bool = self.wsgi.extensions["bertmesh"].draining
        return leaving

    def _accepts_one_more(self) -> bool:
        before = self.nr_conns
        for listener in self.sockets:
            self.accept(listener)
        return bool(self.nr_conns > before)


def _part(connection: socket.socket, *, late: bool) -> bool:
    """Close a connection on this thread: gunicorn's own way waits for the client where it accepts others."""
    if late:
        with suppress(OSError):  # the client has gone already
            connection.shutdown(socket.SHUT_RDWR)
    util.close_graceful(connection)
    return False

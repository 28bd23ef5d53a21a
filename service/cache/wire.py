"""A connection to Redis that keeps to a limit of time, whatever the other side does.

The limit is the kernel's where it can be: it then holds for Redis, not for the time that a thread of this
process waits for its turn. With TLS it is Python's.
"""

import socket
import ssl
import struct
from time import monotonic

from service.cache.lookup import Found

_AT_ONCE = 1 << 16


class NotTaken(TimeoutError):
    """What was sent was not taken in time."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"Redis has not taken what was sent within {timeout_s * 1000:g} ms")


class NoAnswer(TimeoutError):
    """An answer did not come, or not to its end, in time."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"Redis has not answered to the end within {timeout_s * 1000:g} ms")


class Wire:
    """A connection; after an OSError it is of no use any more."""

    def __init__(self, connected: socket.socket, timeout_s: float) -> None:
        """Take a socket over; each exchange has ``timeout_s`` seconds."""
        self._socket = connected
        self._timeout_s = timeout_s
        self._late = 0.0
        if isinstance(connected, ssl.SSLSocket):
            # Its records are put together from many reads: only Python's limit holds for all of them.
            connected.settimeout(timeout_s)
            self._glance = 0
        else:
            connected.settimeout(None)
            limit = struct.pack("ll", int(timeout_s), round(timeout_s % 1 * 1e6))
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            self._glance = socket.MSG_DONTWAIT

    def send(self, content: bytes) -> None:
        """Begin an exchange.

        Raises:
            OSError: Not all of it is taken in time, or the other side has gone.
        """
        self._late = monotonic() + self._timeout_s
        try:
            sent = self._socket.send(content)
        except BlockingIOError:
            raise NotTaken(self._timeout_s) from None
        # The kernel takes all of it, or its time is over. TLS takes a record at a time.
        while sent < len(content):
            if self._glance or monotonic() >= self._late:
                raise NotTaken(self._timeout_s)
            sent += self._socket.send(content[sent:])

    def receive(self) -> bytes:
        """Return what comes next.

        A single wait is the kernel's to limit; what comes bit by bit is limited here. When the time is
        over, what has arrived already is still taken: it may have waited for this thread.

        Raises:
            OSError: Nothing comes in time, or the other side has gone.
        """
        over = monotonic() >= self._late
        if over and not self._glance:
            raise NoAnswer(self._timeout_s)
        try:
            received = self._socket.recv(_AT_ONCE, self._glance if over else 0)
        except BlockingIOError:
            raise NoAnswer(self._timeout_s) from None
        if not received:
            message = "Redis closed the connection"
            raise ConnectionResetError(message)
        return received

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def reach(found: Found, timeout_s: float) -> socket.socket:
    """Return a TCP connection to one of some addresses, which share the time.

    Raises:
        OSError: None of them answers.
    """
    failure = OSError("no address to connect to")
    for family, kind, protocol, _, address in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(timeout_s / len(found))
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            made.close()
            failure = error
        else:
            return made
    raise failure


def reach_local(path: str, timeout_s: float) -> socket.socket:
    """Return a connection to a socket of this machine.

    Raises:
        OSError: Nobody answers there.
    """
    made = socket.socket(socket.AF_UNIX)
    try:
        made.settimeout(timeout_s)
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made


def secured(made: socket.socket, host: str, authorities: str | None) -> socket.socket:
    """Return a connection with TLS to a host whose certificate those in a file have signed.

    Raises:
        OSError: It is another host, or does not speak TLS in time.
    """
    try:
        return ssl.create_default_context(cafile=authorities).wrap_socket(made, server_hostname=host)
    except OSError:
        made.close()
        raise

"""Names of hosts, looked up apart from the threads that need them: a resolver may take many seconds."""

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any

Found = Sequence[tuple[Any, ...]]
"""Addresses as `socket.getaddrinfo` gives them."""


class Lookup:
    """Knows the addresses of one host, and asks for them anew each time that they are needed."""

    def __init__(self, host: str, port: int, find: Callable[..., Found] = socket.getaddrinfo) -> None:
        self._host = host
        self._port = port
        self._find = find
        self._lock = Lock()
        self._under_way: Future[Found] | None = None
        self._known: Found = ()

    def addresses(self, timeout_s: float) -> Found:
        """Return the addresses; those known from before if there is no answer within ``timeout_s`` seconds.

        Raises:
            OSError: There is no such host, or no answer in time, and none was known before.
        """
        if numeric := self._numeric():
            return numeric
        try:
            return self._asked().result(timeout_s)
        except OSError as error:  # a TimeoutError too
            if self._known:
                return self._known
            if isinstance(error, TimeoutError):
                message = f"no address of {self._host} within {timeout_s * 1000:g} ms"
                raise TimeoutError(message) from error
            raise

    def _numeric(self) -> Found | None:
        """Return the address where the host is one, which asks nobody."""
        try:
            return socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except (socket.gaierror, UnicodeError):
            return None

    def _asked(self) -> Future[Found]:
        """Return the question under way, or ask it; one at a time."""
        with self._lock:
            if self._under_way is None:
                self._under_way = Future()
                Thread(target=self._ask, args=(self._under_way,), name="lookup", daemon=True).start()
            return self._under_way

    def _ask(self, answer: Future[Found]) -> None:
        try:
            found = self._find(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # the latter for a name that could be none
            self._over()
            answer.set_exception(OSError(f"no address of {self._host}: {error}"))
        else:
            self._known = found
            self._over()
            answer.set_result(found)

    def _over(self) -> None:
        with self._lock:
            self._under_way = None

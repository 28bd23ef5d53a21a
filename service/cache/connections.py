"""Connections to one Redis, by the library `redis`, under a limit of time for each whole exchange.

The library limits every single wait for the network, here all waits of an exchange share one limit: a Redis
that sends a byte a second keeps nobody. Connections are made by a thread of their own, which may take longer
(for names, TLS, a password, a Sentinel) than a request may wait for it.

A lookup costs less than half of what it does through the library's client and pool (one key on a loopback:
37 us of CPU against 87, three times each within 2 us; a Xeon with AMX).
"""

from collections.abc import Callable, Sequence
from itertools import chain
from time import monotonic
from typing import Any, Protocol

import redis
from redis._parsers import _HiredisParser
from redis.connection import AbstractConnection
from redis.utils import SENTINEL

from service.cache.workers import Workers
from service.errors import StoreDown

Word = bytes | str | int | float
Reply = Any
"""Bytes, a number, None, or a list of these; a cluster also says True where Redis says OK."""

ENTRY_S = 1.0
"""What each step of making a connection may take: reach the host, agree on TLS, log in."""


class Redis(Protocol):
    """Answers commands within a limit of time."""

    def ask(self, *commands: Sequence[Word]) -> list[Reply]:
        """Send commands in one round trip; return an answer each.

        Raises:
            StoreDown: Redis failed, refused one of them or did not answer in time.
        """

    def close(self) -> None:
        """Hang up what is idle; the next call connects again."""


class Late(TimeoutError):
    """Redis, or the way to it, took too long."""

    def __init__(self, what: str, limit_s: float) -> None:
        super().__init__(f"{what} within {limit_s * 1000:g} ms")


class PunctualParser(_HiredisParser):
    """Reads an answer until a moment, however many pieces it comes in.

    `read_response` takes that moment (of the monotonic clock) as its ``timeout``. What has arrived by then
    is still taken: it may have waited for this thread.
    """

    def on_connect(self, connection: AbstractConnection, **options: object) -> None:
        """Begin with a new socket; logging in has a limit too."""
        super().on_connect(connection, **options)  # type: ignore[no-untyped-call] # so in the library
        self._entered = monotonic() + ENTRY_S

    def read_from_socket(self, timeout: object = SENTINEL, raise_on_timeout: bool = True) -> bool:  # noqa: FBT001, FBT002 - the library's signature
        """Read once; see the library."""
        moment = timeout if isinstance(timeout, float) else self._entered
        left_s = max(0.0, moment - monotonic())
        more: bool = super().read_from_socket(left_s, raise_on_timeout)  # type: ignore[no-untyped-call] # so in the library
        return more


class Connections:
    """Asks Redis, from any thread; the connection that was used last is used next."""

    def __init__(self, make: Callable[[], AbstractConnection], limit_s: float) -> None:
        """Ask through what ``make`` returns, unconnected; each exchange has ``limit_s`` seconds."""
        self._make = make
        self._limit_s = limit_s
        # Ends of a list are taken and put back by one instruction each: threads need no lock.
        self._idle: list[AbstractConnection] = []
        self._maker = Workers(1, "redis")

    def ask(self, *commands: Sequence[Word]) -> list[Reply]:
        """Send commands in one round trip; return an answer each.

        Raises:
            StoreDown: Redis failed, refused one of them or did not answer in time.
        """
        try:
            return self._asked(commands)
        except (redis.RedisError, OSError, ValueError) as error:  # the last for a name that could be none
            raise StoreDown(error) from error

    def close(self) -> None:
        """Hang up what is idle; the next call connects again."""
        while self._idle:
            try:
                self._idle.pop().disconnect()
            except IndexError:  # another thread was faster
                return

    def _asked(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._through(self._connected(), commands)
        try:
            return self._through(connection, commands)
        except redis.ConnectionError:
            # Redis ended, closed what was idle for long, or is no master any more.
            # What ended one connection has ended all.
            self.close()
            return self._through(self._connected(), commands)

    def _connected(self) -> AbstractConnection:
        """Return a new connection; one that comes too late waits for the next request."""
        order = self._maker.submit(self._enter)
        try:
            return order.result(self._limit_s)
        except TimeoutError:
            if not order.cancel():
                order.add_done_callback(lambda made: None if made.exception() else self._keep(made.result()))
            message = "no connection to Redis"
            raise Late(message, self._limit_s) from None

    def _enter(self) -> AbstractConnection:
        connection = self._make()
        connection.connect()
        connection.update_current_socket_timeout(self._limit_s)
        return connection

    def _keep(self, connection: AbstractConnection) -> None:
        self._idle.append(connection)

    def _through(self, connection: AbstractConnection, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        try:
            replies, refused = self._exchanged(connection, commands)
        except BaseException:
            connection.disconnect()
            raise
        self._keep(connection)
        if refused:
            raise refused
        return replies

    def _exchanged(
        self, connection: AbstractConnection, commands: Sequence[Sequence[Word]]
    ) -> tuple[list[Reply], redis.ResponseError | None]:
        """Return the answers, and the first refusal: the other commands are done."""
        moment = monotonic() + self._limit_s
        packed = b"".join(chain.from_iterable(connection.pack_command(*command) for command in commands))
        try:
            # In one piece: the limit is that of a call to the socket.
            connection.send_packed_command([packed], check_health=False)
        except redis.TimeoutError as error:
            message = "Redis has not taken what was sent"
            raise Late(message, self._limit_s) from error
        replies: list[Reply] = []
        refused = None
        for _ in commands:
            try:
                replies.append(connection.read_response(disable_decoding=True, timeout=moment))
            except redis.ResponseError as error:
                refused = refused or error
            except redis.TimeoutError as error:
                message = "Redis has not answered to the end"
                raise Late(message, self._limit_s) from error
        return replies, refused

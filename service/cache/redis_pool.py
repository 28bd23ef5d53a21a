"""Connections to Redis: as many as are in use at the same time, made when they are needed."""

from collections.abc import Sequence
from typing import Self

from service.cache.lookup import Lookup
from service.cache.resp import Address, Connection, RedisError, Reply, Word
from service.errors import SettingsError, StoreDown

URL = "BERTMESH_REDIS_URL"


class RedisPool:
    """Asks Redis, from any thread, with a timeout; the connection that was used last is used next."""

    def __init__(self, address: Address, timeout_s: float, lookup: Lookup | None = None) -> None:
        """Ask Redis at ``address``; ``lookup`` is what finds its host."""
        self._address = address
        self._timeout_s = timeout_s
        self._lookup = lookup or Lookup(address.host, address.port)
        # Ends of a list are taken and put back by one instruction each: threads need no lock.
        self._idle: list[Connection] = []

    @classmethod
    def connect(cls, url: str, timeout_s: float) -> Self:
        """Make a pool; nothing is sent yet, so that Redis need not be there.

        Raises:
            SettingsError: The URL is none that names a Redis.
        """
        try:
            return cls(Address.parse(url), timeout_s)
        except ValueError as error:
            raise SettingsError(URL, seen=url, needed="redis://host:port/db", do=str(error)) from error

    def ask(self, *commands: Sequence[Word]) -> list[Reply]:
        """Send commands in one round trip; return an answer each.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        try:
            return self._asked(commands)
        except (OSError, RedisError) as error:
            raise StoreDown(error) from error

    def close(self) -> None:
        """Hang up what is idle; the next call connects anew."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:  # another thread was faster
                return

    def _asked(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._through(self._connected(), commands)
        try:
            return self._through(connection, commands)
        except ConnectionError:
            # Redis ended, or closed what was idle for long: it may well be there again.
            # What ended one connection has ended all.
            self.close()
            return self._through(self._connected(), commands)

    def _connected(self) -> Connection:
        return Connection(self._address, self._timeout_s, self._lookup)

    def _through(self, connection: Connection, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        try:
            replies = connection.ask(*commands)
        except OSError:
            connection.close()
            raise
        except RedisError:
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return replies

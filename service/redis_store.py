"""Redis as a store of answers."""

from collections.abc import Mapping, Sequence
from typing import cast

from service.errors import SettingsError, StoreDown
from service.resp import Address, Connection, RedisError, Reply, Word
from service.store import Claim, Value

URL = "BERTMESH_REDIS_URL"
_LEASE = ":lease"


class RedisStore:
    """Keeps values in Redis; every key has a time to live, every call a timeout.

    There are as many connections as calls at the same time; the one that was used last is used next.
    """

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        # Ends of a list are taken and put back by one instruction each: threads need no lock.
        self._idle: list[Connection] = []

    @classmethod
    def connect(cls, url: str, timeout_s: float) -> "RedisStore":
        """Make a store; nothing is sent yet, so that Redis need not be there.

        Raises:
            SettingsError: The URL is none that names a Redis.
        """
        try:
            return cls(Address.parse(url), timeout_s)
        except ValueError as error:
            raise SettingsError(URL, seen=url, needed="redis://host:port/db", do=str(error)) from error

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values of keys.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        (values,) = self._ask(("MGET", *keys))
        return cast("Sequence[bytes | None]", values)

    def claim(self, keys: Sequence[str], lease_s: float) -> Sequence[Claim]:
        """Lease those keys that nobody else has leased, then read them all.

        A value is written before its lease is given back, so that whoever gets the lease sees it.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        leases = [("SET", name + _LEASE, "1", "NX", "PX", _milliseconds(lease_s)) for name in keys]
        *leased, values = self._ask(*leases, ("MGET", *keys))
        found = cast("Sequence[bytes | None]", values)
        return [Claim(mine is not None, value) for mine, value in zip(leased, found, strict=True)]

    def put(self, values: Mapping[str, Value], released: Sequence[str]) -> None:
        """Keep values, then give leases back.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        commands: list[Sequence[Word]] = [
            ("SET", name, value.content, "PX", _milliseconds(value.ttl_s)) for name, value in values.items()
        ]
        if released:
            commands.append(("DEL", *(name + _LEASE for name in released)))
        self._ask(*commands)

    def _ask(self, *commands: Sequence[Word]) -> list[Reply]:
        try:
            return self._asked(commands)
        except (OSError, RedisError) as error:
            raise StoreDown(error) from error

    def _asked(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._through(Connection(self._address, self._timeout_s), commands)
        try:
            return self._through(connection, commands)
        except ConnectionError:
            # Redis ended, or closed what was idle for long: it may well be there again.
            self._forget()
            return self._through(Connection(self._address, self._timeout_s), commands)

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

    def _forget(self) -> None:
        """Close the idle connections: what ended one has ended all."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:  # another thread was faster
                return


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))

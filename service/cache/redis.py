"""Redis as a store of answers."""

from collections.abc import Mapping, Sequence
from typing import Self, cast

from service.cache.redis_pool import RedisPool
from service.cache.resp import Word
from service.cache.store import Claim, Value

_LEASE = ":lease"


class RedisStore:
    """Keeps values in Redis; every key has a time to live."""

    def __init__(self, pool: RedisPool) -> None:
        self._pool = pool

    @classmethod
    def connect(cls, url: str, timeout_s: float) -> Self:
        """Make a store; nothing is sent yet, so that Redis need not be there.

        Raises:
            SettingsError: The URL is none that names a Redis.
        """
        return cls(RedisPool.connect(url, timeout_s))

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values of keys.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        (values,) = self._pool.ask(("MGET", *keys))
        return cast("Sequence[bytes | None]", values)

    def claim(self, keys: Sequence[str], lease_s: float) -> Sequence[Claim]:
        """Lease those keys that nobody else has leased, then read them all.

        A value is written before its lease is given back, so that whoever gets the lease sees it.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        leases = [("SET", name + _LEASE, "1", "NX", "PX", _milliseconds(lease_s)) for name in keys]
        *leased, values = self._pool.ask(*leases, ("MGET", *keys))
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
        self._pool.ask(*commands)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))

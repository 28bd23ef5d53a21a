"""Redis as a store of answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from service.errors import SettingsError, StoreDown
from service.store import Claim, Value

URL = "BERTMESH_REDIS_URL"
MAX_CONNECTIONS = 1024  # more than there are request threads: a full pool must not look like a dead Redis
_LEASE = ":lease"


class RedisStore:
    """Keeps values in Redis; every key has a time to live, every call a timeout, none is retried."""

    def __init__(self, client: Any, failures: tuple[type[Exception], ...]) -> None:  # noqa: ANN401 - its commands are typed sync or async
        self._client = client
        self._failures = failures

    @classmethod
    def connect(cls, url: str, timeout_s: float) -> Self:
        """Make a client; nothing is sent yet, so that Redis need not be there.

        Raises:
            SettingsError: The URL is none that Redis clients know.
        """
        # Imported here: a pod without a cache saves 10 MB.
        import redis  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        try:
            client = redis.Redis.from_url(
                url,
                socket_timeout=timeout_s,
                socket_connect_timeout=timeout_s,
                protocol=2,
                driver_info=None,  # two round trips less on each new connection
                retry=Retry(NoBackoff(), 0),
                max_connections=MAX_CONNECTIONS,
            )
        except ValueError as error:
            raise SettingsError(URL, seen=url, needed="redis://host:port/db", do=str(error)) from error
        return cls(client, (redis.RedisError, OSError))

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values of keys.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        try:
            values: Sequence[bytes | None] = self._client.mget(list(keys))
        except self._failures as error:
            raise StoreDown(error) from error
        return values

    def claim(self, keys: Sequence[str], lease_s: float) -> Sequence[Claim]:
        """Lease those keys that nobody else has leased, then read them all.

        A value is written before its lease is given back, so that whoever gets the lease sees it.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        pipeline = self._client.pipeline(transaction=False)
        for name in keys:
            pipeline.set(name + _LEASE, b"1", nx=True, px=_milliseconds(lease_s))
        pipeline.mget(list(keys))
        *leased, values = self._execute(pipeline)
        return [Claim(bool(mine), value) for mine, value in zip(leased, values, strict=True)]

    def put(self, values: Mapping[str, Value], released: Sequence[str]) -> None:
        """Keep values, then give leases back.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        pipeline = self._client.pipeline(transaction=False)
        for name, value in values.items():
            pipeline.set(name, value.content, px=_milliseconds(value.ttl_s))
        if released:
            pipeline.delete(*(name + _LEASE for name in released))
        self._execute(pipeline)

    def _execute(self, pipeline: Any) -> list[Any]:  # noqa: ANN401 - the same
        try:
            results: list[Any] = pipeline.execute()
        except self._failures as error:
            raise StoreDown(error) from error
        return results


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))

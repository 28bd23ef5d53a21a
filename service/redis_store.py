"""Redis as a store of answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from service.errors import SettingsError, StoreDown

URL = "BERTMESH_REDIS_URL"
MAX_CONNECTIONS = 1024  # more than there are request threads: a full pool must not look like a dead Redis


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

    def put(self, values: Mapping[str, bytes], ttl_s: int) -> None:
        """Keep values for ``ttl_s`` seconds.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        pipeline = self._client.pipeline(transaction=False)
        for name, value in values.items():
            pipeline.set(name, value, ex=ttl_s)
        try:
            pipeline.execute()
        except self._failures as error:
            raise StoreDown(error) from error

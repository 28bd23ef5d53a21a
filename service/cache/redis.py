"""Redis as a store of answers."""

from collections.abc import Mapping, Sequence

from service.cache.redis_url import redis_at
from service.cache.store import Value


class RedisStore:
    """Keeps values in Redis; every key has a time to live.

    A batch is a command for each key, sent together: in a cluster, keys lie on several nodes.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        """Make a store; nothing is sent yet, so that Redis need not be there.

        Raises:
            SettingsError: The URL is none that names a Redis.
        """
        self._redis = redis_at(url, timeout_s)

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values of keys.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        return self._redis.ask(*(("GET", name) for name in keys))

    def put(self, values: Mapping[str, Value]) -> None:
        """Keep values.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        self._redis.ask(
            *(
                ("SET", name, value.content, "PX", max(1, round(value.ttl_s * 1000)))
                for name, value in values.items()
            )
        )

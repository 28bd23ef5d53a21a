"""A Redis Cluster, by the library's client.

The client looks up which node has a key, follows redirections and learns a changed cluster by itself, each
with waits of its own. So it works in threads that a request waits for no longer than its limit.
"""

from collections.abc import Callable, Sequence
from threading import Lock

import redis
from redis.cluster import RedisCluster

from service.cache.connections import Late, Reply, Word
from service.cache.workers import Workers
from service.errors import StoreDown

AT_ONCE = 8
"""Lookups at the same time; more wait in turn, within their limit."""


class Cluster:
    """Asks the nodes of a cluster, from any thread."""

    def __init__(self, connect: Callable[[], RedisCluster], limit_s: float) -> None:
        """Ask what ``connect`` returns, which may take its time; each call has ``limit_s`` seconds."""
        self._connect = connect
        self._limit_s = limit_s
        self._lock = Lock()
        self._client: RedisCluster | None = None
        self._workers = Workers(AT_ONCE, "redis-cluster")

    def ask(self, *commands: Sequence[Word]) -> list[Reply]:
        """Send commands, each to the node that has its key; return an answer each.

        Raises:
            StoreDown: The cluster failed, refused one of them or did not answer in time.
        """
        order = self._workers.submit(lambda: self._asked(commands))
        try:
            return order.result(self._limit_s)
        except TimeoutError:
            order.cancel()
            raise StoreDown(Late("the Redis Cluster has not answered", self._limit_s)) from None
        except (redis.RedisError, redis.exceptions.RedisClusterException, OSError, ValueError) as error:
            raise StoreDown(error) from error

    def close(self) -> None:
        """Hang up; the next call connects again."""
        with self._lock:
            client, self._client = self._client, None
        if client:
            client.close()

    def _asked(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        with self._lock:
            client = self._client = self._client or self._connect()
        pipeline = client.pipeline()
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Reply] = pipeline.execute()
        return replies

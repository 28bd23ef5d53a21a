"""The port to where answers lie, and a guard that keeps a failing store away from requests."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from service.cache.breaker import Breaker
from service.errors import StoreDown

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Value:
    """What is kept under a key, and for how long."""

    content: bytes
    ttl_s: float


class Store(Protocol):
    """Where answers lie: keys to bytes, for a time. Each call is one round trip, or raises StoreDown."""

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return what is kept under keys."""

    def put(self, values: Mapping[str, Value]) -> None:
        """Keep values."""


class Calls(Protocol):
    """Learns of calls to the store."""

    def calling(self, operation: str) -> AbstractContextManager[object]:
        """Surround a call."""


class GuardedStore:
    """A store that never raises: None is the answer of one that is away, or is being left alone."""

    def __init__(self, store: Store, breaker: Breaker, calls: Calls) -> None:
        self._store = store
        self._breaker = breaker
        self._calls = calls

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None] | None:
        """Return what is kept under keys."""
        return self._call("GET", lambda: self._store.get(keys))

    def put(self, values: Mapping[str, Value]) -> None:
        """Keep values."""
        self._call("SET", lambda: self._store.put(values))

    def _call(self, operation: str, call: Callable[[], T]) -> T | None:
        if not self._breaker.allows():
            return None
        try:
            with self._calls.calling(operation):
                result = call()
        except StoreDown as error:
            self._breaker.failed()
            log.warning("cache is away, answers are computed: %s", error)
            return None
        self._breaker.succeeded()
        return result

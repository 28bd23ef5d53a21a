"""The port to where answers lie, and a guard that keeps a failing store away from requests."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from service.cache.breaker import Breaker, Clock
from service.errors import StoreDown

T = TypeVar("T")

_AWAY = "cache is away, answers are computed"
_TAKES_NOTHING = "cache takes no writes, new answers are not kept there"

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
    """A store that never raises: None is the answer of one that is away, or is being left alone.

    Reading and writing are guarded apart: a store that is full, or a mere replica, answers and takes nothing.
    """

    def __init__(self, store: Store, clock: Clock, calls: Calls) -> None:
        self._store = store
        self._reading, self._writing = Breaker(clock), Breaker(clock)
        self._calls = calls

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None] | None:
        """Return what is kept under keys."""
        return self._call("GET", lambda: self._store.get(keys), self._reading, _AWAY)

    def put(self, values: Mapping[str, Value]) -> None:
        """Keep values."""
        self._call("SET", lambda: self._store.put(values), self._writing, _TAKES_NOTHING)

    def _call(self, operation: str, call: Callable[[], T], breaker: Breaker, failed: str) -> T | None:
        if not breaker.allows():
            return None
        try:
            with self._calls.calling(operation):
                result = call()
        except StoreDown as error:
            breaker.failed()
            log.warning("%s: %s", failed, error)
            return None
        breaker.succeeded()
        return result

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


@dataclass(frozen=True)
class Claim:
    """What an attempt to lease a key gave: whether it is ours now, and what is kept under it."""

    leased: bool
    content: bytes | None


class Store(Protocol):
    """Where answers lie: keys to bytes, for a time. Each call is one round trip, or raises StoreDown."""

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return what is kept under keys."""
        ...

    def claim(self, keys: Sequence[str], lease_s: float) -> Sequence[Claim]:
        """Lease those keys that nobody else has leased, then read them all."""
        ...

    def put(self, values: Mapping[str, Value], released: Sequence[str]) -> None:
        """Keep values, then give leases back."""
        ...


class Calls(Protocol):
    """Learns of calls to the store."""

    def calling(self, operation: str) -> AbstractContextManager[object]:
        """Surround a call."""
        ...


class Guard:
    """A store that never raises: None is the answer of one that is away, or is being left alone."""

    def __init__(self, store: Store, breaker: Breaker, calls: Calls) -> None:
        self._store = store
        self._breaker = breaker
        self._calls = calls

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None] | None:
        """Return what is kept under keys."""
        return self._call("MGET", lambda: self._store.get(keys))

    def claim(self, keys: Sequence[str], lease_s: float) -> Sequence[Claim] | None:
        """Lease those keys that nobody else has leased, then read them all."""
        return self._call("SET NX", lambda: self._store.claim(keys, lease_s))

    def put(self, values: Mapping[str, Value], released: Sequence[str]) -> None:
        """Keep values, then give leases back."""
        self._call("SET", lambda: self._store.put(values, released))

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

"""Answers that were given before. The store may be slow or away: then the pod is slower, not broken."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

import orjson

from service.breaker import Breaker
from service.errors import StoreDown
from service.tasks import Answer, Query, Task

T = TypeVar("T")

MAX_VALUE_BYTES = 64 * 1024

log = logging.getLogger(__name__)


class CacheStatus(Enum):
    """What became of a request's lookup; the values of the header and the metrics."""

    HIT = "hit"
    """Every answer was there."""
    MISS = "miss"
    BYPASS = "bypass"
    """Not asked, on purpose: a mirrored request, or one that was refused before."""
    ERROR = "error"
    """The store did not answer in time, or is being left alone."""
    OFF = "off"
    """There is no store."""


class Store(Protocol):
    """Where answers lie: keys to bytes, for a time."""

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return the values of keys; raise StoreDown."""
        ...

    def put(self, values: Mapping[str, bytes], ttl_s: int) -> None:
        """Keep values for ``ttl_s`` seconds; raise StoreDown."""
        ...


@dataclass(frozen=True)
class Lookup:
    """The answers that were found, None for the others, and what became of the lookup."""

    answers: tuple[Answer | None, ...]
    status: CacheStatus


def to_json(document: object) -> bytes:
    """Return JSON; arrays of float32 are written as short as they can be read back."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def key(digest: str, version: str, task: Task, query: Query) -> str:
    """Return where the answer to ``query`` lies.

    Everything that an answer depends on is hashed in; ``version`` is, because a drill serves one
    model's files under several names and must not mix their answers.
    """
    parts = orjson.dumps([digest, version, task.name, task.parameters, query.text, query.pair])
    return f"bertmesh:answer:{task.name}:{hashlib.blake2b(parts, digest_size=20).hexdigest()}"


class Observer(Protocol):
    """Learns what the cache does."""

    def calling(self, operation: str) -> AbstractContextManager[object]:
        """Surround a call to the store."""
        ...

    def looked_up(self, status: CacheStatus, answers: int) -> None:
        """Note how a lookup of some answers went."""
        ...


class AnswerCache:
    """Finds and keeps answers; never raises because of the store."""

    def __init__(self, store: Store, *, ttl_s: int, breaker: Breaker, observer: Observer) -> None:
        self._store = store
        self._ttl_s = ttl_s
        self._breaker = breaker
        self._observer = observer

    def find(self, keys: Sequence[str]) -> Lookup:
        """Look all keys up at once."""
        values = self._call("MGET", lambda: self._store.get(keys))
        if values is None:
            self._observer.looked_up(CacheStatus.ERROR, len(keys))
            return Lookup((None,) * len(keys), CacheStatus.ERROR)
        answers = tuple(_decode(value) for value in values)
        self._observer.looked_up(CacheStatus.MISS, answers.count(None))
        self._observer.looked_up(CacheStatus.HIT, len(answers) - answers.count(None))
        return Lookup(answers, CacheStatus.MISS if None in answers else CacheStatus.HIT)

    def keep(self, answers: Mapping[str, Answer]) -> None:
        """Keep answers, except those that are very large."""
        values = {name: to_json(answer) for name, answer in answers.items()}
        small = {name: value for name, value in values.items() if len(value) <= MAX_VALUE_BYTES}
        if small:
            self._call("SET", lambda: self._store.put(small, self._ttl_s))

    def _call(self, operation: str, call: Callable[[], T]) -> T | None:
        if not self._breaker.allows():
            return None
        try:
            with self._observer.calling(operation):
                result = call()
        except StoreDown as error:
            self._breaker.failed()
            log.warning("cache is away, answers are computed: %s", error)
            return None
        self._breaker.succeeded()
        return result


def _decode(value: bytes | None) -> Answer | None:
    try:
        answer: Answer | None = None if value is None else orjson.loads(value)
    except orjson.JSONDecodeError:  # somebody else's value: compute and overwrite it
        return None
    return answer

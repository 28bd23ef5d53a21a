"""Answers that were given before. The store may be slow or away: then the pod is slower, not broken."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Protocol

import orjson

from service.cache.flight import Flights
from service.cache.local import LocalAnswers
from service.cache.store import Calls, GuardedStore, Value
from service.tasks.base import Answer, Query, Task, unpacked

Compute = Callable[[Sequence[str], float], Mapping[str, Answer]]
"""Computes the answers to keys within a number of seconds."""


class CacheStatus(Enum):
    """What became of a request's lookup; the values of the header and the metrics."""

    LOCAL = "local"
    """Every answer was kept in this process."""
    HIT = "hit"
    """Every answer was there, at least one in the store only."""
    MISS = "miss"
    """At least one was computed, by this request or by another that was at it already."""
    BYPASS = "bypass"
    """Not asked, on purpose: a mirrored request, or one that was refused before."""
    ERROR = "error"
    """The store did not answer in time, or is being left alone."""
    OFF = "off"
    """No answers are kept, neither here nor in a store."""


@dataclass(frozen=True)
class Lookup:
    """The answers that were found, None for the others, and what became of the lookup."""

    answers: tuple[Answer | None, ...]
    status: CacheStatus


@dataclass(frozen=True)
class Given:
    """An answer for each key, those that were computed for this request, and what became of the lookup."""

    answers: tuple[Answer, ...]
    computed: tuple[Answer, ...]
    status: CacheStatus


@dataclass(frozen=True)
class Rules:
    """How answers are kept.

    ``ttl_s`` is shortened at random by up to the share ``jitter``, so that what was kept together does
    not expire together; both are the store's. In this process answers may take ``local_bytes`` together.
    Values of more than ``max_bytes`` are not kept.
    """

    ttl_s: float = 3600
    jitter: float = 0.1
    max_bytes: int = 64 * 1024
    local_bytes: int = 0


def key(digest: str, version: str, task: Task, query: Query) -> str:
    """Return where the answer to ``query`` lies.

    Everything that an answer depends on is hashed in; ``version`` is, because a drill serves one
    model's files under several names and must not mix their answers.
    """
    parts = orjson.dumps([digest, version, task.name, task.parameters, query.text, query.pair])
    return f"bertmesh:answer:{task.name}:{hashlib.blake2b(parts, digest_size=20).hexdigest()}"


class Observer(Calls, Protocol):
    """Learns what the cache does."""

    def looked_up(self, status: CacheStatus, answers: int) -> None:
        """Note how a lookup of some answers went."""


class AnswerCache:
    """Finds and keeps answers, here and in a store, and has each computed once.

    It never raises because of the store, which may be missing.
    """

    def __init__(
        self,
        store: GuardedStore | None,
        rules: Rules,
        *,
        observer: Observer,
        random: Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._local = LocalAnswers(rules.local_bytes)
        self._rules = rules
        self._observer = observer
        self._random = random
        self._flights: Flights[Answer] = Flights(clock)

    def answers(self, kind: type[Answer], keys: Sequence[str], compute: Compute, timeout_s: float) -> Given:
        """Return an answer of a kind for each key: found, or computed once for all threads that want it now.

        Whatever ``compute`` raises is raised.

        Raises:
            OutOfTime: Another thread computes a key and came to no end within ``timeout_s``.
        """
        found = self.find(kind, keys)
        known = {name: answer for name, answer in zip(keys, found.answers, strict=True) if answer is not None}
        computed: list[Answer] = []

        def lead(names: Sequence[str], left_s: float) -> Mapping[str, Answer]:
            fresh = compute(names, left_s)
            computed.extend(fresh.values())
            self.keep(fresh, locally=found.status is CacheStatus.ERROR)
            return fresh

        if missing := [name for name in keys if name not in known]:
            known |= self._flights.share(missing, lead, timeout_s)
        return Given(tuple(known[name] for name in keys), tuple(computed), found.status)

    def find(self, kind: type[Answer], keys: Sequence[str]) -> Lookup:
        """Look all keys up at once: here first, then those that are not here in the store."""
        answers = [unpacked(kind, content) for content in self._local.get(keys)]
        rest = [name for name, answer in zip(keys, answers, strict=True) if answer is None]
        self._count(CacheStatus.LOCAL, len(keys) - len(rest))
        if not rest:
            return Lookup(tuple(answers), CacheStatus.LOCAL)
        found, status = self._fetch(kind, rest)
        given = iter(found)
        return Lookup(tuple(next(given) if answer is None else answer for answer in answers), status)

    def bypassed(self, answers: int) -> None:
        """Note that some answers were not looked up, on purpose."""
        self._count(CacheStatus.BYPASS, answers)

    def keep(self, answers: Mapping[str, Answer], *, locally: bool = False) -> None:
        """Keep answers, except those that are very large; ``locally`` asks nothing of the store."""
        limit = self._rules.max_bytes
        packed = {name: answer.pack() for name, answer in answers.items() if answer.may_fit(limit)}
        contents = {name: content for name, content in packed.items() if len(content) <= limit}
        self._local.put(contents)
        if contents and self._store and not locally:
            self._store.put({name: Value(content, self._ttl_s()) for name, content in contents.items()})

    def _fetch(self, kind: type[Answer], keys: Sequence[str]) -> tuple[Sequence[Answer | None], CacheStatus]:
        """Ask the store, and keep here what it has."""
        values = self._store.get(keys) if self._store else [None] * len(keys)
        if values is None:
            self._count(CacheStatus.ERROR, len(keys))
            return [None] * len(keys), CacheStatus.ERROR
        answers = [unpacked(kind, value) for value in values]
        found = {
            name: value
            for name, value, answer in zip(keys, values, answers, strict=True)
            if value is not None and answer is not None
        }
        self._local.put(found)
        missing = sum(answer is None for answer in answers)
        self._count(CacheStatus.MISS, missing)
        self._count(CacheStatus.HIT, len(answers) - missing)
        return answers, CacheStatus.MISS if missing else CacheStatus.HIT

    def _count(self, status: CacheStatus, answers: int) -> None:
        if answers:
            self._observer.looked_up(status, answers)

    def _ttl_s(self) -> float:
        return self._rules.ttl_s * (1 - self._rules.jitter * self._random.random())

"""Answers that were given before. The store may be slow or away: then the pod is slower, not broken."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Protocol

import orjson

from service.cache.flight import Flights
from service.cache.leases import Compute, Leases, Patience
from service.cache.store import Calls, Claim, Guard, Value
from service.tasks.base import Answer, Query, Task, unpacked


class CacheStatus(Enum):
    """What became of a request's lookup; the values of the header and the metrics."""

    HIT = "hit"
    """Every answer was there."""
    MISS = "miss"
    """At least one was computed, by this request or by another that was at it already."""
    BYPASS = "bypass"
    """Not asked, on purpose: a mirrored request, or one that was refused before."""
    ERROR = "error"
    """The store did not answer in time, or is being left alone."""
    OFF = "off"
    """There is no store."""


@dataclass(frozen=True)
class Lookup:
    """The answers that were found, None for the others, and what became of the lookup."""

    answers: tuple[Answer | None, ...]
    status: CacheStatus


@dataclass(frozen=True)
class Rules:
    """How answers are kept.

    ``ttl_s`` is shortened at random by up to the share ``jitter``, so that what was kept together does
    not expire together. Values of more than ``max_bytes`` are not kept.
    """

    ttl_s: float = 3600
    jitter: float = 0.1
    max_bytes: int = 64 * 1024
    patience: Patience = field(default_factory=Patience)


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
        ...


class AnswerCache:
    """Finds and keeps answers, and has each computed once; never raises because of the store."""

    def __init__(
        self,
        store: Guard,
        rules: Rules,
        *,
        observer: Observer,
        random: Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._rules = rules
        self._observer = observer
        self._random = random
        self._flights: Flights[Answer] = Flights(clock)
        self._leases = Leases(self, rules.patience, clock=clock)

    def answers(
        self, kind: type[Answer], keys: Sequence[str], compute: Compute, timeout_s: float
    ) -> tuple[tuple[Answer, ...], CacheStatus]:
        """Return an answer of a kind for each key: from the store, or computed once for all who want it now.

        Whatever ``compute`` raises is raised.

        Raises:
            OutOfTime: Another thread computes a key and came to no end within ``timeout_s``.
        """
        found = self.find(kind, keys)
        known = {name: answer for name, answer in zip(keys, found.answers, strict=True) if answer is not None}
        if missing := [name for name in keys if name not in known]:
            away = found.status is CacheStatus.ERROR
            lead = compute if away else lambda names, left_s: self._leases.share(kind, names, compute, left_s)
            known |= self._flights.share(missing, lead, timeout_s)
        return tuple(known[name] for name in keys), found.status

    def find(self, kind: type[Answer], keys: Sequence[str]) -> Lookup:
        """Look all keys up at once."""
        values = self._store.get(keys)
        if values is None:
            self._observer.looked_up(CacheStatus.ERROR, len(keys))
            return Lookup((None,) * len(keys), CacheStatus.ERROR)
        answers = tuple(unpacked(kind, value) for value in values)
        missing = sum(answer is None for answer in answers)
        for status, number in ((CacheStatus.MISS, missing), (CacheStatus.HIT, len(answers) - missing)):
            if number:
                self._observer.looked_up(status, number)
        return Lookup(answers, CacheStatus.MISS if missing else CacheStatus.HIT)

    def bypassed(self, answers: int) -> None:
        """Note that some answers were not looked up, on purpose."""
        self._observer.looked_up(CacheStatus.BYPASS, answers)

    def claim(self, keys: Sequence[str], lease_s: float) -> Sequence[Claim] | None:
        """Lease keys that nobody else computes; see `service.cache.leases`."""
        return self._store.claim(keys, lease_s)

    def keep(self, answers: Mapping[str, Answer], released: Sequence[str] = ()) -> None:
        """Keep answers, except those that are very large, and give leases back."""
        limit = self._rules.max_bytes
        packed = {name: answer.pack() for name, answer in answers.items() if answer.may_fit(limit)}
        values = {
            name: Value(content, self._ttl_s()) for name, content in packed.items() if len(content) <= limit
        }
        if values or released:
            self._store.put(values, released)

    def _ttl_s(self) -> float:
        return self._rules.ttl_s * (1 - self._rules.jitter * self._random.random())

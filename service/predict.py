"""From queries to answers: check, cache, batch, read. Knows nothing of HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.cache import AnswerCache, CacheStatus, Lookup, key
from service.engine import Array, Item
from service.errors import InjectedFault
from service.faults import Faults
from service.tasks import Answer, Computed, Query, Reader, Task, encode


class Compute(Protocol):
    """Computes items, perhaps together with other requests' (see `service.batching`)."""

    def compute(self, items: Sequence[Item], timeout_s: float) -> list[Array]:
        """Return an array an item."""
        ...


@dataclass(frozen=True)
class Outcome:
    """The answers, in the order of the queries, and what became of the cache lookup."""

    answers: tuple[Answer, ...]
    cache: CacheStatus


@dataclass(frozen=True)
class Predictor:
    """Answers queries with one model."""

    digest: str
    name: str
    version: str
    reader: Reader
    batcher: Compute
    cache: AnswerCache | None
    faults: Faults
    timeout_s: float

    def predict(self, task: Task, queries: Sequence[Query], *, mirrored: bool = False) -> Outcome:
        """Return an answer for each query; a mirrored request neither reads nor writes the cache.

        Raises:
            RequestError: A text cannot be served.
            Overloaded: The queue is full, or the answer took too long.
            InjectedFault: This pod has a fault for a drill.
        """
        for query in queries:
            task.check(query, self.reader.codec)
        fate = self.faults.strike()
        if fate.error:
            raise InjectedFault
        compute = self._spoilt if fate.wrong else self._computed
        if self.cache is None or mirrored or fate.wrong:
            status = CacheStatus.OFF if self.cache is None else CacheStatus.BYPASS
            return Outcome(tuple(compute(task, queries)), status)
        return self._through(self.cache, task, queries)

    def _through(self, cache: AnswerCache, task: Task, queries: Sequence[Query]) -> Outcome:
        keys = [key(self.digest, self.version, task, query) for query in queries]
        found = cache.find(keys)
        missing = [index for index, answer in enumerate(found.answers) if answer is None]
        fresh = dict(zip(missing, self._computed(task, [queries[index] for index in missing]), strict=True))
        if fresh and found.status is not CacheStatus.ERROR:
            cache.keep({keys[index]: answer for index, answer in fresh.items()})
        return Outcome(_merged(found, fresh), found.status)

    def _computed(
        self, task: Task, queries: Sequence[Query], change: Callable[[Array], Array] | None = None
    ) -> list[Answer]:
        encoded = [encode(query, self.reader.codec) for query in queries]
        items = [task.items(texts) for texts in encoded]
        flat = [item for group in items for item in group]
        arrays = self.batcher.compute(flat, self.timeout_s) if flat else []
        if change:
            arrays = [change(arrays[0]), *arrays[1:]]
        waiting = iter(arrays)
        return [
            task.answer(Computed(query, texts, [next(waiting) for _ in group], self.reader))
            for query, texts, group in zip(queries, encoded, items, strict=True)
        ]

    def _spoilt(self, task: Task, queries: Sequence[Query]) -> list[Answer]:
        """Answer the first query wrongly: its least likely tokens, or a vector turned about."""
        return self._computed(task, queries, change=lambda array: -array)


def _merged(found: Lookup, fresh: dict[int, Answer]) -> tuple[Answer, ...]:
    known = (fresh.get(index, answer) for index, answer in enumerate(found.answers))
    return tuple(answer for answer in known if answer is not None)

"""From queries to answers: check, cache, batch, read. Knows nothing of HTTP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from service.batching.deadline import Deadline
from service.batching.work import Compute, Work
from service.cache.answers import AnswerCache, CacheStatus, Given, key
from service.engine import Array, Item
from service.errors import InjectedFault, Overloaded, TextError
from service.pod.faults import Fate, Faults
from service.tasks.base import Answer, Query, Reader, Steps, Task, normalised, window_count
from service.text.normalise import Change, unchanged
from service.text.tokenizer import Once, Tokenizer


@dataclass(frozen=True)
class Predicted:
    """The answers, in the order of the queries, and what became of the cache lookup.

    ``computed`` are those that this request computed; ``windows`` says into how many windows each query's
    text was cut; ``queries`` are as they were read, by ``codec``, which has encoded them already.
    """

    answers: tuple[Answer, ...]
    computed: tuple[Answer, ...]
    cache: CacheStatus
    windows: tuple[int, ...]
    queries: Sequence[Query]
    codec: Tokenizer

    def tokens(self) -> int:
        """Return how many tokens were read, [CLS] and [SEP] included."""
        return sum(len(self.codec.encode(text).ids) for query in self.queries for text in query.texts)


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
    normalise: Change = unchanged
    platform: str = "bertmesh_bert"

    def predict(
        self, task: Task, queries: Sequence[Query], deadline: Deadline, *, mirrored: bool = False
    ) -> Predicted:
        """Return an answer for each query; a mirrored request neither reads nor writes the cache.

        Raises:
            RequestError: A text cannot be served, or all of them take too long even for an idle pod.
            Overloaded: The queue is full, or the answer took too long.
            DeadlinePassed: The client's own time is up.
            InjectedFault: This pod has a fault for a drill.
        """
        if self.normalise is not unchanged:
            task = task.normalised(self.normalise)
            queries = [normalised(query, self.normalise) for query in queries]
        reader = replace(self.reader, codec=Once(self.reader.codec))
        task.check(queries, reader.codec)
        fate = self.faults.strike()
        if fate.error:
            raise InjectedFault
        windows = tuple(window_count(query, reader.codec) for query in queries)
        asked = Questions(task, queries, reader, Work(self.batcher, deadline))
        try:
            given = self._answers(asked, fate, mirrored=mirrored)
        except Overloaded as error:
            raise asked.work.verdict(error, self.timeout_s) from error
        return Predicted(given.answers, given.computed, given.status, windows, queries, reader.codec)

    def _answers(self, asked: "Questions", fate: Fate, *, mirrored: bool) -> Given:
        if self.cache is None or mirrored or fate.wrong:
            status = self._passed_by(len(asked.queries))
            change = _turned if fate.wrong else None
            computed = tuple(asked.computed(asked.queries, change))
            return Given(computed, computed, status)
        return self._through(self.cache, asked)

    def _passed_by(self, answers: int) -> CacheStatus:
        if self.cache is None:
            return CacheStatus.OFF
        self.cache.bypassed(answers)
        return CacheStatus.BYPASS

    def _through(self, cache: AnswerCache, asked: "Questions") -> Given:
        keys = [key(self.digest, self.version, asked.task, query) for query in asked.queries]
        queries = dict(zip(keys, asked.queries, strict=True))

        def compute(names: Sequence[str], _timeout_s: float) -> dict[str, Answer]:
            try:
                fresh = asked.computed([queries[name] for name in names])
            except TextError as error:
                raise error.at(keys.index(names[error.index or 0]), len(keys)) from None
            return dict(zip(names, fresh, strict=True))

        return cache.answers(asked.task.answer, keys, compute, asked.work.deadline.left_s())


@dataclass(frozen=True)
class Questions:
    """One request's questions, with what reads their texts and counts their work."""

    task: Task
    queries: Sequence[Query]
    reader: Reader
    work: Work

    def computed(
        self, queries: Sequence[Query], change: Callable[[Array], Array] | None = None
    ) -> list[Answer]:
        """Take queries through their steps, a round for all of them at a time."""
        steps = [self.task.steps(query, self.reader) for query in queries]
        return together(steps, self.work.compute, change)


def together(
    steps: Sequence[Steps],
    compute: Callable[[Sequence[Item]], Sequence[Array]],
    change: Callable[[Array], Array] | None = None,
) -> list[Answer]:
    """Return what all the steps return; the items of a round are computed together.

    ``change`` is applied to the very first array.
    """
    answers: dict[int, Answer] = {}
    sent: dict[int, Sequence[Array] | None] = dict.fromkeys(range(len(steps)))
    while sent:
        asked: dict[int, Sequence[Item]] = {}
        for index, arrays in sent.items():
            try:
                # A generator's first round is begun by sending None.
                asked[index] = steps[index].send(arrays)  # type: ignore[arg-type] # typeshed leaves None out
            except StopIteration as stop:
                answers[index] = stop.value
            except TextError as error:
                raise error.at(index, len(steps)) from None
        sent = _round(asked, compute, change)
        change = None
    return [answers[index] for index in range(len(steps))]


def _round(
    asked: Mapping[int, Sequence[Item]],
    compute: Callable[[Sequence[Item]], Sequence[Array]],
    change: Callable[[Array], Array] | None,
) -> dict[int, Sequence[Array] | None]:
    flat = [item for items in asked.values() for item in items]
    arrays = list(compute(flat)) if flat else []
    if change and arrays:
        arrays[0] = change(arrays[0])
    waiting = iter(arrays)
    return {index: [next(waiting) for _ in items] for index, items in asked.items()}


def _turned(array: Array) -> Array:
    """Make an answer wrong: the least likely tokens, or a vector turned about."""
    return -array

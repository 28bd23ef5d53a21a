from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.breaker import Breaker
from service.cache import AnswerCache, CacheStatus, key
from service.deadline import Deadline
from service.engine import Array, Item
from service.errors import StoreDown
from service.faults import Fault, Faults
from service.fill import FillMask
from service.predict import Predictor
from service.tasks import Answer, Features, Query, Reader, Similarity, Task
from tests.service.tiny import WIDTH, reader


@dataclass
class MemoryStore:
    """A store that can be taken away."""

    values: dict[str, bytes] = field(default_factory=dict)
    ttls: dict[str, int] = field(default_factory=dict)
    away: bool = False
    calls: int = 0

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        self._call()
        return [self.values.get(name) for name in keys]

    def put(self, values: Mapping[str, bytes], ttl_s: int) -> None:
        self._call()
        self.values |= values
        self.ttls |= dict.fromkeys(values, ttl_s)

    def _call(self) -> None:
        self.calls += 1
        if self.away:
            raise StoreDown(TimeoutError("away"))


@dataclass
class Counts:
    """An observer that counts."""

    lookups: Counter[CacheStatus] = field(default_factory=Counter)

    def calling(self, operation: str) -> AbstractContextManager[None]:
        assert operation in ("MGET", "SET")
        return nullcontext()

    def looked_up(self, status: CacheStatus, answers: int) -> None:
        self.lookups[status] += answers


class Constant:
    """An engine whose every number is its own; counts the texts it computes."""

    def __init__(self, number: float) -> None:
        self._number = number
        self.computed = 0

    def compute(self, items: Sequence[Item], timeout_s: float) -> list[Array]:
        assert timeout_s > 0
        self.computed += len(items)
        return [np.full(WIDTH, self._number, dtype=np.float32) for _ in items]


def soon() -> Deadline:
    return Deadline.starting(Clock(), 0.0, 1.0, None)


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache_over(store: MemoryStore, clock: Clock | None = None) -> AnswerCache:
    return AnswerCache(store, ttl_s=60, breaker=Breaker(clock or Clock()), observer=Counts())


@pytest.fixture(scope="module")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return reader(tmp_path_factory.mktemp("tokenizer"))


def predictor(
    read: Reader,
    store: MemoryStore | None,
    *,
    digest: str = "sha256:aa",
    number: float = 1.0,
    fault: Fault | None = None,
    clock: Clock | None = None,
) -> tuple[Predictor, Constant]:
    engine = Constant(number)
    made = Predictor(
        digest=digest,
        name="tiny",
        version="1.0",
        reader=read,
        batcher=engine,
        cache=None if store is None else cache_over(store, clock),
        faults=Faults(fault, Random(1), lambda _: None),
        timeout_s=1.0,
    )
    return made, engine


def vector(answer: Answer) -> list[float]:
    """Return the numbers of a vector, whether it was computed or read from the cache."""
    return [float(number) for number in np.ravel(np.asarray(answer))]


TASKS = st.sampled_from([FillMask(5), FillMask(6), Similarity(), Features()])
QUERIES = st.builds(Query, st.text(max_size=3), st.none() | st.text(max_size=3))
KEYED = st.tuples(st.text(max_size=3), st.text(max_size=3), TASKS, QUERIES)


@given(one=KEYED, other=KEYED)
def test_two_answers_share_a_key_only_if_all_they_depend_on_is_the_same(
    one: tuple[str, str, Task, Query], other: tuple[str, str, Task, Query]
) -> None:
    assert (key(*one) == key(*other)) == (one == other)


@given(
    steps=st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from(["一", "不", "人"])), max_size=30)
)
def test_a_cache_that_is_shared_never_serves_another_digest(
    tiny_reader: Reader, steps: list[tuple[int, str]]
) -> None:
    store = MemoryStore()
    models = [predictor(tiny_reader, store, digest=f"sha256:{n}", number=n)[0] for n in range(3)]
    for number, text in steps:
        outcome = models[number].predict(Features(), [Query(text)], soon())
        assert vector(outcome.answers[0]) == [float(number)] * WIDTH


def ask(made: Predictor, *texts: str, mirrored: bool = False) -> tuple[CacheStatus, tuple[Answer, ...]]:
    outcome = made.predict(Features(), [Query(text) for text in texts], soon(), mirrored=mirrored)
    return outcome.cache, outcome.answers


def test_only_what_is_not_there_is_computed_and_answers_keep_their_places(tiny_reader: Reader) -> None:
    store = MemoryStore()
    first, engine = predictor(tiny_reader, store, number=1.0)
    assert ask(first, "一")[0] is CacheStatus.MISS
    assert ask(first, "一")[0] is CacheStatus.HIT
    assert engine.computed == 1
    second, engine = predictor(tiny_reader, store, number=2.0)
    status, answers = ask(second, "不", "一", "人")
    assert status is CacheStatus.MISS
    assert engine.computed == 2
    assert [vector(answer)[0] for answer in answers] == [2.0, 1.0, 2.0]


def test_every_key_has_a_time_to_live(tiny_reader: Reader) -> None:
    store = MemoryStore()
    ask(predictor(tiny_reader, store)[0], "一", "不")
    assert list(store.ttls.values()) == [60, 60]


def test_a_mirrored_request_neither_reads_nor_writes(tiny_reader: Reader) -> None:
    store = MemoryStore()
    made, engine = predictor(tiny_reader, store)
    assert ask(made, "一", mirrored=True)[0] is CacheStatus.BYPASS
    assert store.calls == 0
    assert engine.computed == 1


def test_without_a_store_the_cache_is_off(tiny_reader: Reader) -> None:
    assert ask(predictor(tiny_reader, None)[0], "一")[0] is CacheStatus.OFF


def test_a_store_that_is_away_costs_a_few_calls_and_heals_by_itself(tiny_reader: Reader) -> None:
    store, clock = MemoryStore(away=True), Clock()
    made, engine = predictor(tiny_reader, store, clock=clock)
    assert {ask(made, "一")[0] for _ in range(20)} == {CacheStatus.ERROR}
    assert store.calls == 3
    assert engine.computed == 20
    store.away = False
    assert ask(made, "一")[0] is CacheStatus.ERROR
    clock.now += 1.0
    assert [ask(made, "一")[0] for _ in range(2)] == [CacheStatus.MISS, CacheStatus.HIT]


def test_a_value_that_is_no_answer_is_computed_and_overwritten(tiny_reader: Reader) -> None:
    store = MemoryStore()
    made, engine = predictor(tiny_reader, store)
    ask(made, "一")
    store.values = dict.fromkeys(store.values, b"\x00garbage")
    assert ask(made, "一")[0] is CacheStatus.MISS
    assert ask(made, "一")[0] is CacheStatus.HIT
    assert engine.computed == 2


def test_lookups_are_counted_a_text_each() -> None:
    store, counts = MemoryStore(), Counts()
    cache = AnswerCache(store, ttl_s=60, breaker=Breaker(Clock()), observer=counts)
    cache.keep({"there": 1.0})
    cache.find(["there", "not", "there"])
    store.away = True
    cache.find(["there", "not"])
    assert counts.lookups == {CacheStatus.HIT: 2, CacheStatus.MISS: 1, CacheStatus.ERROR: 2}


def test_very_large_answers_are_not_kept() -> None:
    store = MemoryStore()
    cache = cache_over(store)
    cache.keep({"small": [1.0], "large": [0.123456789] * 20_000})
    assert list(store.values) == ["small"]


def test_a_wrong_answer_of_a_drill_is_never_kept(tiny_reader: Reader) -> None:
    store = MemoryStore()
    made, _ = predictor(tiny_reader, store, fault=Fault(wrong=1.0))
    status, answers = ask(made, "一")
    assert status is CacheStatus.BYPASS
    assert vector(answers[0]) == [-1.0] * WIDTH
    assert store.values == {}


def test_an_answer_of_zero_is_an_answer(tmp_path: Path) -> None:
    store = MemoryStore()
    made, engine = predictor(reader(tmp_path), store, number=0.0)
    query = [Query("一", "不")]
    assert made.predict(Similarity(), query, soon()).answers == (0.0,)
    assert made.predict(Similarity(), query, soon()).cache is CacheStatus.HIT
    assert engine.computed == 2

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from time import monotonic

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.names import FOUND_PATTERN
from service.batching.deadline import Deadline
from service.cache.answers import AnswerCache, CacheStatus, Rules, key
from service.cache.store import GuardedStore, Store, Value
from service.engine import Array, Item
from service.errors import Overloaded, StoreDown
from service.pod.faults import Fault, Faults
from service.pod.predict import Predictor
from service.tasks.base import Answer, Query, Reader, Task
from service.tasks.features import Features, Vector
from service.tasks.fill_mask import FillMask
from service.tasks.similarity import Likeness, Similarity
from service.text.normalise import normaliser
from tests.service.number import Number
from tests.service.tiny import WIDTH, reader

RULES = Rules(ttl_s=60)
LOCAL = Rules(ttl_s=60, local_bytes=1 << 20)


@dataclass
class MemoryStore:
    """A store that can be taken away, or take nothing any more."""

    values: dict[str, bytes] = field(default_factory=dict)
    ttls: dict[str, float] = field(default_factory=dict)
    away: bool = False
    full: bool = False
    calls: int = 0
    writes: int = 0

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        self._call()
        return [self.values.get(name) for name in keys]

    def put(self, values: Mapping[str, Value]) -> None:
        self._call()
        self.writes += 1
        if self.full:
            raise StoreDown(MemoryError("full"))
        self.values |= {name: value.content for name, value in values.items()}
        self.ttls |= {name: value.ttl_s for name, value in values.items()}

    def _call(self) -> None:
        self.calls += 1
        if self.away:
            raise StoreDown(TimeoutError("away"))


@dataclass
class Counts:
    """An observer that counts."""

    lookups: Counter[CacheStatus] = field(default_factory=Counter)

    def calling(self, operation: str) -> AbstractContextManager[None]:
        assert operation in ("GET", "SET")
        return nullcontext()

    def looked_up(self, status: CacheStatus, answers: int) -> None:
        self.lookups[status] += answers


class Constant:
    """An engine whose every number is its own; counts the texts it computes."""

    def __init__(self, number: float) -> None:
        self._number = number
        self.computed = 0
        self.error: Exception | None = None

    def compute(self, items: Sequence[Item], timeout_s: float) -> list[Array]:
        assert timeout_s > 0
        if self.error:
            raise self.error
        self.computed += len(items)
        return [np.full(WIDTH, self._number, dtype=np.float32) for _ in items]

    def expected_wait_s(self) -> float:
        return 6.5

    def work_s(self, tokens: int) -> float:
        return tokens / 1000


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def cache_over(
    store: Store | None, clock: Clock | None = None, observer: Counts | None = None, rules: Rules = RULES
) -> AnswerCache:
    counts, ticks = observer or Counts(), clock or Clock()
    guard = GuardedStore(store, ticks, counts) if store else None
    return AnswerCache(guard, rules, observer=counts, random=Random(1), clock=ticks)


@pytest.fixture(scope="module")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return reader(tmp_path_factory.mktemp("tokenizer"))


def predictor(
    read: Reader,
    store: MemoryStore | None,
    *,
    number: float = 1.0,
    fault: Fault | None = None,
    clock: Clock | None = None,
    rules: Rules | None = RULES,
) -> tuple[Predictor, Constant]:
    """Return what predicts, and its engine; without rules there is no cache at all."""
    engine = Constant(number)
    made = Predictor(
        digest="sha256:aa",
        name="tiny",
        version="1.0",
        reader=read,
        batcher=engine,
        cache=cache_over(store, clock, rules=rules) if rules else None,
        faults=Faults(fault, Random(1), lambda _: None),
        timeout_s=1.0,
    )
    return made, engine


def soon() -> Deadline:
    """Return a deadline that no test reaches."""
    return Deadline(monotonic, monotonic() + 20, 20)


def vector(answer: Answer) -> list[float]:
    """Return the numbers of a vector."""
    assert isinstance(answer, Vector)
    return [float(number) for number in answer.numbers]


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
    models = [replace(predictor(tiny_reader, store, number=n)[0], digest=f"sha256:{n}") for n in range(3)]
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


@pytest.mark.parametrize("rules", [RULES, LOCAL])
def test_what_was_computed_is_told_apart_from_what_was_there(tiny_reader: Reader, rules: Rules) -> None:
    store = MemoryStore()
    ask(predictor(tiny_reader, store, number=1.0)[0], "一")
    made, _ = predictor(tiny_reader, store, number=2.0, rules=rules)
    query = [Query(text) for text in ("一", "不", "不")]
    asked = [made.predict(Features(), query, soon()).computed for _ in range(2)]
    assert [[vector(answer)[0] for answer in computed] for computed in asked] == [[2.0], []]


def test_without_a_cache_every_answer_is_computed(tiny_reader: Reader) -> None:
    made, _ = predictor(tiny_reader, None, rules=None)
    outcome = made.predict(Features(), [Query("一"), Query("不")], soon())
    assert outcome.computed == outcome.answers


def test_every_key_has_a_time_to_live(tiny_reader: Reader) -> None:
    store = MemoryStore()
    ask(predictor(tiny_reader, store)[0], "一", "不")
    assert len(store.ttls) == 2
    assert all(54 <= ttl_s <= 60 for ttl_s in store.ttls.values())


def test_answers_that_were_kept_together_do_not_expire_together() -> None:
    store = MemoryStore()
    cache_over(store).keep({str(number): Number(1) for number in range(100)})
    assert len(set(store.ttls.values())) > 90


def test_a_mirrored_request_neither_reads_nor_writes(tiny_reader: Reader) -> None:
    store = MemoryStore()
    made, engine = predictor(tiny_reader, store)
    assert ask(made, "一", mirrored=True)[0] is CacheStatus.BYPASS
    assert store.calls == 0
    assert engine.computed == 1


def test_without_a_store_the_cache_is_off(tiny_reader: Reader) -> None:
    assert ask(predictor(tiny_reader, None, rules=None)[0], "一")[0] is CacheStatus.OFF


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


def test_a_store_that_reads_and_takes_nothing_is_written_to_a_few_times_and_heals_by_itself(
    tiny_reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    store, clock = MemoryStore(full=True), Clock()
    made, engine = predictor(tiny_reader, store, clock=clock)
    assert {ask(made, "一")[0] for _ in range(20)} == {CacheStatus.MISS}
    assert (store.writes, engine.computed) == (3, 20)
    sentence = "cache takes no writes, new answers are not kept there: MemoryError: full"
    assert caplog.messages == [sentence] * 3
    store.full = False
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
    cache = cache_over(store, observer=counts)
    cache.keep({"there": Number(1)})
    cache.find(Number, ["there", "not", "there"])
    store.away = True
    cache.find(Number, ["there", "not"])
    cache.bypassed(3)
    assert counts.lookups == {
        CacheStatus.HIT: 2,
        CacheStatus.MISS: 1,
        CacheStatus.ERROR: 2,
        CacheStatus.BYPASS: 3,
    }


def test_very_large_answers_are_not_kept() -> None:
    store = MemoryStore()
    cache = cache_over(store, rules=Rules(max_bytes=1000))
    cache.keep({"small": Number(1), "large": Vector(np.full(2000, 0.123456789, dtype=np.float32))})
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
    assert made.predict(Similarity(), query, soon()).answers == (Likeness(0.0),)
    assert made.predict(Similarity(), query, soon()).cache is CacheStatus.HIT
    assert engine.computed == 2


def test_a_text_that_comes_twice_in_a_batch_is_computed_once(tiny_reader: Reader) -> None:
    made, engine = predictor(tiny_reader, MemoryStore())
    assert [vector(answer)[0] for answer in ask(made, "一", "不", "一")[1]] == [1.0, 1.0, 1.0]
    assert engine.computed == 2


def test_a_batch_is_looked_up_and_kept_in_one_call_each(tiny_reader: Reader) -> None:
    store = MemoryStore()
    made, _ = predictor(tiny_reader, store)
    ask(made, "一", "不", "人")
    assert store.calls == 2  # read and keep
    ask(made, "一", "不", "人")
    assert store.calls == 3


def test_a_failed_computation_keeps_nothing(tiny_reader: Reader) -> None:
    store = MemoryStore()
    made, engine = predictor(tiny_reader, store)
    engine.error = Overloaded("full", 1)
    with pytest.raises(Overloaded):
        ask(made, "一")
    assert store.calls == 1
    assert store.values == {}


def test_all_spellings_of_a_text_share_one_answer_where_texts_are_normalised(tiny_reader: Reader) -> None:
    store = MemoryStore()
    made, engine = predictor(tiny_reader, store)
    made = replace(made, normalise=normaliser(["nfkc"]))
    assert ask(made, "ａ")[0] is CacheStatus.MISS
    assert ask(made, "a")[0] is CacheStatus.HIT
    assert engine.computed == 1


def test_an_answer_that_this_pod_has_given_or_read_costs_no_call(tiny_reader: Reader) -> None:
    store = MemoryStore()
    first, engine = predictor(tiny_reader, store, rules=LOCAL)
    assert [ask(first, "一")[0] for _ in range(3)] == [CacheStatus.MISS, CacheStatus.LOCAL, CacheStatus.LOCAL]
    assert (engine.computed, store.calls) == (1, 2)
    other, engine = predictor(tiny_reader, store, number=2.0, rules=LOCAL)
    assert [ask(other, "一")[0] for _ in range(3)] == [CacheStatus.HIT, CacheStatus.LOCAL, CacheStatus.LOCAL]
    assert (engine.computed, store.calls) == (0, 3)
    assert vector(ask(other, "一")[1][0]) == [1.0] * WIDTH


def test_a_batch_takes_each_answer_from_where_it_is(tiny_reader: Reader) -> None:
    store = MemoryStore()
    ask(predictor(tiny_reader, store, number=1.0)[0], "一")
    made, engine = predictor(tiny_reader, store, number=2.0, rules=LOCAL)
    ask(made, "不")
    status, answers = ask(made, "不", "人", "一")
    assert status is CacheStatus.MISS
    assert [vector(answer)[0] for answer in answers] == [2.0, 2.0, 1.0]
    assert ask(made, "一", "人")[0] is CacheStatus.LOCAL
    assert engine.computed == 2


def test_without_a_store_answers_are_kept_in_the_pod(tiny_reader: Reader) -> None:
    made, engine = predictor(tiny_reader, None, rules=LOCAL)
    assert [ask(made, "一")[0] for _ in range(2)] == [CacheStatus.MISS, CacheStatus.LOCAL]
    assert engine.computed == 1


def test_while_the_store_is_away_answers_are_kept_in_the_pod_and_the_store_is_not_asked_to(
    tiny_reader: Reader,
) -> None:
    store = MemoryStore(away=True)
    made, engine = predictor(tiny_reader, store, rules=LOCAL)
    assert [ask(made, "一")[0] for _ in range(2)] == [CacheStatus.ERROR, CacheStatus.LOCAL]
    assert (engine.computed, store.calls) == (1, 1)


def test_a_mirrored_request_and_a_wrong_answer_stay_out_of_the_pods_own_cache_too(
    tiny_reader: Reader,
) -> None:
    made, engine = predictor(tiny_reader, None, rules=LOCAL)
    assert ask(made, "一", mirrored=True)[0] is CacheStatus.BYPASS
    assert ask(made, "一")[0] is CacheStatus.MISS
    assert ask(made, "一", mirrored=True)[0] is CacheStatus.BYPASS
    assert engine.computed == 3
    wrong, engine = predictor(tiny_reader, None, rules=LOCAL, fault=Fault(wrong=1.0))
    assert [ask(wrong, "一")[0] for _ in range(2)] == [CacheStatus.BYPASS, CacheStatus.BYPASS]
    assert engine.computed == 2


def test_answers_from_the_pod_are_counted_apart() -> None:
    counts = Counts()
    cache = cache_over(MemoryStore({"far": Number(1.0).pack()}), observer=counts, rules=LOCAL)
    cache.keep({"near": Number(1.0)})
    cache.find(Number, ["near", "far", "not", "near"])
    cache.find(Number, ["far"])
    assert counts.lookups == {CacheStatus.LOCAL: 3, CacheStatus.HIT: 1, CacheStatus.MISS: 1}


@pytest.mark.parametrize("status", CacheStatus)
def test_what_the_judge_leaves_out_is_what_was_found(status: CacheStatus) -> None:
    assert bool(re.fullmatch(FOUND_PATTERN, status.value)) == (status in {CacheStatus.LOCAL, CacheStatus.HIT})

"""From queries to answers: who is told what, with and without a cache."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from time import monotonic

import numpy as np
import pytest

from service.batching.deadline import Deadline
from service.cache.answers import CacheStatus
from service.engine import Array, Item
from service.errors import DeadlinePassed, NoMask, Overloaded, TextEmpty
from service.tasks.base import Query, Reader, Task
from service.tasks.features import Features
from service.tasks.fill_mask import FillMask
from service.tasks.filled import Candidate, Filled
from service.tasks.similarity import Similarity
from service.text.normalise import normaliser
from service.text.tokenizer import Tokenizer
from tests.service.cache.test_answers import MemoryStore, ask, cache_over, predictor, soon
from tests.service.tiny import WIDTH, reader
from tests.support.processes import LIMIT_S


@pytest.fixture(scope="module")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return reader(tmp_path_factory.mktemp("tokenizer"))


@pytest.mark.parametrize(("sent", "word"), [("Ｂ", "b"), ("務", "务")])
def test_targets_are_normalised_as_texts_are(tiny_reader: Reader, sent: str, word: str) -> None:
    asked: list[Task] = []

    class Noting(FillMask):
        """Notes the task that is checked in the end."""

        def check(self, queries: Sequence[Query], codec: Tokenizer) -> None:  # noqa: ARG002 - the port's
            asked.append(self)
            raise NoMask(seen="", needed="", do="")

    made = replace(predictor(tiny_reader, None)[0], normalise=normaliser(["nfkc", "simplified"]))
    with pytest.raises(NoMask):
        made.predict(Noting(targets=(sent,)), [Query("[MASK]")], soon())
    (task,) = asked
    assert isinstance(task, FillMask)
    assert [target.lower() for target in task.targets or ()] == [word]


@pytest.mark.parametrize("store", [MemoryStore(), None])
def test_of_several_texts_the_blank_one_is_named_whatever_the_cache_knows(
    tiny_reader: Reader, store: MemoryStore | None
) -> None:
    made, _ = predictor(tiny_reader, store)
    ask(made, "一")
    with pytest.raises(TextEmpty, match="at index 2 of the texts: a text of nothing but blanks"):
        ask(made, "一", "不", "\u200b", "人")
    pairs = [Query("一", "不"), Query("一", "\u200b")]
    with pytest.raises(TextEmpty, match="at index 1 of the texts: a text_pair of nothing but blanks"):
        made.predict(Similarity(), pairs, soon())


def test_whose_time_is_up_behind_an_equal_request_is_told_so_and_not_that_the_pod_is_overloaded(
    tiny_reader: Reader,
) -> None:
    made, engine = predictor(tiny_reader, MemoryStore())
    computing, gate = Event(), Event()

    def compute(items: Sequence[Item], timeout_s: float) -> list[Array]:
        assert timeout_s > 0
        computing.set()
        assert gate.wait(LIMIT_S)
        return [np.zeros(WIDTH, dtype=np.float32) for _ in items]

    engine.compute = compute  # type: ignore[method-assign] # a slow one
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, made, "一")
        assert computing.wait(LIMIT_S)
        with pytest.raises(DeadlinePassed, match="no answer within the 5 ms"):
            made.predict(Features(), [Query("一")], Deadline.starting(monotonic, monotonic(), 4.5, "5"))
        with pytest.raises(Overloaded, match="another request asked the same") as refused:
            made.predict(Features(), [Query("一")], Deadline(monotonic, monotonic() + 0.005, 0.005))
        gate.set()
        assert first.result()[0] is CacheStatus.MISS
    assert refused.value.headers == {"Retry-After": "7"}  # as the queue says


def test_an_answer_that_is_too_large_is_not_kept() -> None:
    store = MemoryStore()
    large, small = (Filled(((Candidate("好", 0.5, "好" * count, 0),),), ()) for count in (100_000, 1))
    cache_over(store).keep({"large": large, "small": small})
    assert store.values.keys() == {"small"}

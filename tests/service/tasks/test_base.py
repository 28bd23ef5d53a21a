from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.engine import Array, Item, Want
from service.errors import TextEmpty
from service.pod.predict import together
from service.tasks.base import Answer, Query, Reader, Task, encode, window_count
from service.tasks.features import Features, Vector
from service.tasks.pooling import Pooling
from service.tasks.similarity import Likeness, Similarity, similarity
from tests.service.tiny import POSITIONS, reader

LONG = "好" * (POSITIONS * 2)


@pytest.fixture(scope="module")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return reader(tmp_path_factory.mktemp("tokenizer"))


def answer(task: Task, query: Query, arrays: list[Array], reader: Reader) -> Answer:
    """Answer a query that is done in one round, with these arrays for its items."""

    def compute(items: Sequence[Item]) -> list[Array]:
        assert len(items) == len(arrays)
        return arrays

    return together([task.steps(query, reader)], compute)[0]


def share(task: Similarity, query: Query, arrays: list[Array], reader: Reader) -> float:
    found = answer(task, query, arrays, reader)
    assert isinstance(found, Likeness)
    return found.share


def numbers(task: Features, query: Query, arrays: list[Array], reader: Reader) -> Array:
    found = answer(task, query, arrays, reader)
    assert isinstance(found, Vector)
    return found.numbers


@given(
    first=arrays(np.float32, 8, elements=st.floats(-100, 100, width=32)),
    second=arrays(np.float32, 8, elements=st.floats(-100, 100, width=32)),
)
def test_similarity_is_symmetric_and_between_0_and_1(first: Array, second: Array) -> None:
    assert 0 <= similarity(first, second) <= 1
    assert similarity(first, second) == pytest.approx(similarity(second, first))


def test_the_same_text_is_alike_by_1_and_an_opposite_by_0() -> None:
    vector: Array = np.array([1, 2, 3], dtype=np.float32)
    assert similarity(vector, vector) == pytest.approx(1)
    assert similarity(vector, -vector) == 0
    assert similarity(vector, vector * 0) == 0


def test_the_center_is_taken_off_both_texts(tiny_reader: Reader) -> None:
    common: Array = np.full(32, 100, dtype=np.float32)
    own: list[Array] = [np.eye(32, dtype=np.float32)[index] for index in (0, 1)]
    texts = [common + vector for vector in own]
    raw = share(Similarity(), Query("一", "不"), texts, tiny_reader)
    centered = share(Similarity(), Query("一", "不"), texts, Reader(tiny_reader.codec, 1.0, common))
    assert raw == pytest.approx(1, abs=1e-3)
    assert centered == pytest.approx(0, abs=1e-3)


def test_features_are_the_vector_itself(tiny_reader: Reader) -> None:
    vector: Array = np.arange(32, dtype=np.float32)
    assert numbers(Features(), Query("好"), [vector], tiny_reader) is vector


def test_a_normalised_vector_has_length_1_and_zeros_stay_zeros(tiny_reader: Reader) -> None:
    task = Features(normalize=True)
    vector: Array = np.arange(32, dtype=np.float32)
    seen = numbers(task, Query("好"), [vector], tiny_reader)
    assert np.linalg.norm(seen) == pytest.approx(1)
    assert numbers(task, Query("好"), [vector * 0], tiny_reader).tolist() == [0.0] * 32


@pytest.mark.parametrize(
    ("pooling", "want"), [(Pooling.CLS, Want.FIRST), (Pooling.MEAN, Want.MEAN), (Pooling.MAX, Want.MAX)]
)
def test_each_pooling_asks_the_engine_for_its_own(pooling: Pooling, want: Want, tiny_reader: Reader) -> None:
    steps = Features(pooling).steps(Query("好"), tiny_reader)
    assert [item.want for item in next(steps)] == [want]


@pytest.mark.parametrize(("pooling", "expected"), [("cls", 2.0), ("mean", 2.0), ("max", 3.0)])
def test_the_windows_of_a_long_text_are_averaged_or_their_maximum_taken(
    pooling: str, expected: float, tiny_reader: Reader
) -> None:
    parts: list[Array] = [np.full(32, value, dtype=np.float32) for value in (1, 2, 3)]
    seen = numbers(Features(Pooling(pooling)), Query(LONG), parts, tiny_reader)
    assert seen.tolist() == [expected] * 32


def test_both_sides_of_a_pair_may_be_long(tiny_reader: Reader) -> None:
    one, other = np.eye(32, dtype=np.float32)[:2]
    long, short = [one, one, one], [other]
    assert share(Similarity(), Query(LONG, "好"), long + short, tiny_reader) == 0
    assert share(Similarity(), Query("好", LONG), [one, one, one, one], tiny_reader) == 1


def test_the_windows_of_the_longer_text_are_counted(tiny_reader: Reader) -> None:
    codec = tiny_reader.codec
    assert window_count(Query("好"), codec) == 1
    assert window_count(Query("好" * (POSITIONS - 2)), codec) == 1
    assert window_count(Query("好" * (POSITIONS - 1)), codec) == 2
    assert window_count(Query("好", LONG), codec) == 3


def test_a_text_of_nothing_is_told_so(tiny_reader: Reader) -> None:
    with pytest.raises(TextEmpty, match="nothing but blanks"):
        encode("\u200b\u200b", tiny_reader.codec)


def test_the_parameters_of_an_answer_are_told_apart() -> None:
    tasks = [Features(pooling, normalize) for pooling in Pooling for normalize in (True, False)]
    assert len({task.parameters for task in tasks}) == len(tasks)

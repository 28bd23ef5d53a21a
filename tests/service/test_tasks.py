import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.engine import Array, Want
from service.errors import NoMask, TextEmpty, TextTooLong, TooManyMasks
from service.tasks import (
    Answer,
    Computed,
    Features,
    FillMask,
    Query,
    Reader,
    Similarity,
    Task,
    encode,
    ranked,
    similarity,
    softmax,
)
from tests.service.tiny import POSITIONS, VOCABULARY, reader


@pytest.fixture(scope="module")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return reader(tmp_path_factory.mktemp("tokenizer"))


def logits(*best: str) -> Array:
    """Return logits of one mask by which the tokens rank in this order."""
    row = np.zeros(len(VOCABULARY), dtype=np.float32)
    for place, token in enumerate(best):
        row[VOCABULARY[token]] = 10.0 - place
    return row


def answer(task: Task, query: Query, arrays: list[Array], reader: Reader) -> Answer:
    return task.answer(Computed(query, encode(query, reader.codec), arrays, reader))


def test_a_mask_is_filled_in_the_text_as_it_was_written(tiny_reader: Reader) -> None:
    query = Query("😀 中国 的首都是[MASK]！")
    seen = answer(FillMask(top_k=2), query, [logits("北", "京")[None]], tiny_reader)
    assert isinstance(seen, list)
    assert [candidate["token"] for candidate in seen] == ["北", "京"]
    assert seen[0]["sequence"] == "😀 中国 的首都是北！"
    assert seen[0]["offset"] == query.text.index("[MASK]")


def test_several_masks_get_a_list_each_in_their_order(tiny_reader: Reader) -> None:
    scores = np.stack([logits("北"), logits("京")])
    seen = answer(FillMask(top_k=1), Query("[MASK]和[MASK]"), [scores], tiny_reader)
    assert isinstance(seen, list)
    assert [[candidate["sequence"] for candidate in mask] for mask in seen] == [
        ["北和[MASK]"],
        ["[MASK]和京"],
    ]


def test_a_piece_of_a_word_is_joined_without_its_sign(tiny_reader: Reader) -> None:
    seen = answer(FillMask(top_k=1), Query("a[MASK]"), [logits("##a")[None]], tiny_reader)
    assert isinstance(seen, list)
    assert (seen[0]["token"], seen[0]["sequence"]) == ("##a", "aa")


def test_special_tokens_are_left_out_but_keep_their_share(tiny_reader: Reader) -> None:
    seen = ranked(logits("[UNK]", "[MASK]", "[unused1]", "北"), 1, tiny_reader)
    assert seen[0][0] == "北"
    assert seen[0][1] < 0.1


SCORES = arrays(np.float32, len(VOCABULARY), elements=st.floats(-30, 30, width=32))


@given(row=SCORES, top_k=st.integers(1, 100))
def test_candidates_are_the_best_in_order_and_their_scores_are_probabilities(
    tiny_reader: Reader, row: Array, top_k: int
) -> None:
    seen = ranked(row, top_k, tiny_reader)
    scores = [score for _, score in seen]
    assert len(seen) == min(top_k, len(VOCABULARY) - 6)
    assert scores == sorted(scores, reverse=True)
    assert 0 <= sum(scores) <= 1 + 1e-4
    left = [
        row[index]
        for token, index in VOCABULARY.items()
        if tiny_reader.codec.token(index) not in {None, *dict(seen)}
    ]
    assert not left or max(left) <= row[VOCABULARY[seen[-1][0]]]


@given(row=SCORES)
def test_a_temperature_changes_scores_and_not_the_order(
    tmp_path_factory: pytest.TempPathFactory, row: Array
) -> None:
    cold = reader(tmp_path_factory.getbasetemp() / "cold", temperature=1.0)
    warm = Reader(cold.codec, 2.0, cold.center)
    best_cold, best_warm = ranked(row, 1, cold)[0], ranked(row, 1, warm)[0]
    assert row[VOCABULARY[best_cold[0]]] == row[VOCABULARY[best_warm[0]]]
    if softmax(row).argmax() >= 6:
        assert best_warm[1] <= best_cold[1] + 1e-6


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
    raw = answer(Similarity(), Query("一", "不"), texts, tiny_reader)
    centered = answer(Similarity(), Query("一", "不"), texts, Reader(tiny_reader.codec, 1.0, common))
    assert raw == pytest.approx(1, abs=1e-3)
    assert centered == pytest.approx(0, abs=1e-3)


def test_features_are_the_vector_itself(tiny_reader: Reader) -> None:
    vector: Array = np.arange(32, dtype=np.float32)
    assert np.array_equal(answer(Features(), Query("好"), [vector], tiny_reader), vector)


def test_only_the_scores_at_the_masks_are_asked_for(tiny_reader: Reader) -> None:
    items = FillMask().items(encode(Query("的[MASK]是[MASK]"), tiny_reader.codec))
    assert [(item.want, item.positions) for item in items] == [(Want.LOGITS, (2, 4))]


def test_texts_that_cannot_be_served_are_told_what_was_seen(tiny_reader: Reader) -> None:
    codec = tiny_reader.codec
    with pytest.raises(NoMask, match=r"a text without a mask; at least one \[MASK\] needed"):
        FillMask().check(Query("中国"), codec)
    with pytest.raises(TooManyMasks, match="a text with 10000 masks; at most 16 needed"):
        FillMask().check(Query("[MASK]" * 10_000), codec)
    with pytest.raises(TextTooLong, match=rf"a text of {POSITIONS + 1} tokens.* at most {POSITIONS} needed"):
        encode(Query("好" * (POSITIONS - 1)), codec)
    with pytest.raises(TextEmpty, match="nothing but blanks"):
        encode(Query("\u200b\u200b"), codec)
    assert len(encode(Query("好" * (POSITIONS - 2)), codec)[0].ids) == POSITIONS


def test_the_parameters_of_an_answer_are_told_apart() -> None:
    assert FillMask(5).parameters != FillMask(6).parameters

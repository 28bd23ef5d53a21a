from collections.abc import Sequence
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.engine import Array, Item, Want
from service.errors import AnswerTooLarge, InvalidTarget, NoMask, TextError, TooManyMasks
from service.pod.predict import together
from service.tasks.base import Query, Reader
from service.tasks.beam import BEAM, Ranking, softmax
from service.tasks.fill_mask import FillMask
from service.tasks.filled import Filled
from tests.service.tiny import POSITIONS, VOCABULARY, reader

MASK = VOCABULARY["[MASK]"]


@pytest.fixture(scope="module")
def tiny_reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return reader(tmp_path_factory.mktemp("tokenizer"))


def logits(*best: str) -> Array:
    """Return logits of one mask by which the tokens rank in this order."""
    row = np.zeros(len(VOCABULARY), dtype=np.float32)
    for place, token in enumerate(best):
        row[VOCABULARY[token]] = 10.0 - place
    return row


class Scripted:
    """An engine that gives each mask the same logits wherever it stands; remembers what it was asked."""

    def __init__(self, *rows: Array) -> None:
        self.rows = rows
        self.rounds: list[list[Item]] = []

    def __call__(self, items: Sequence[Item]) -> list[Array]:
        self.rounds.append(list(items))
        waiting = iter(self.rows if len(self.rounds) == 1 else self.rows[len(self.rounds) - 1 :])
        if len(self.rounds) > 1:
            row = next(waiting)
            return [row[None] for _ in items]
        return [np.stack([next(waiting) for _ in item.positions]) for item in items]


def fill(task: FillMask, text: str, engine: Scripted, reader: Reader) -> Filled:
    (answer,) = together([task.steps(Query(text), reader)], engine)
    assert isinstance(answer, Filled)
    return answer


def test_a_mask_is_filled_in_the_text_as_it_was_written(tiny_reader: Reader) -> None:
    text = "😀 中国 的首都是[MASK]！"
    seen = fill(FillMask(top_k=2), text, Scripted(logits("北", "京")), tiny_reader)
    (candidates,) = seen.masks
    assert [candidate.token for candidate in candidates] == ["北", "京"]
    assert candidates[0].sequence == "😀 中国 的首都是北！"
    assert candidates[0].offset == text.index("[MASK]")


def test_several_masks_get_a_list_each_in_their_order(tiny_reader: Reader) -> None:
    seen = fill(FillMask(top_k=1), "[MASK]和[MASK]", Scripted(logits("北"), logits("京")), tiny_reader)
    assert [[candidate.sequence for candidate in mask] for mask in seen.masks] == [
        ["北和[MASK]"],
        ["[MASK]和京"],
    ]


def test_masks_are_filled_together_from_left_to_right_reading_each_filling_again(
    tiny_reader: Reader,
) -> None:
    engine = Scripted(logits("北", "中"), logits("京", "国"))
    seen = fill(FillMask(top_k=2), "在[MASK][MASK]", engine, tiny_reader)
    assert seen.sequences[0].sequence == "在北京"
    assert seen.sequences[0].tokens == ("北", "京")
    assert [len(items) for items in engine.rounds] == [1, BEAM]
    again = engine.rounds[1][0]
    assert again.positions == (3,)
    assert again.ids[2:4] == (VOCABULARY["北"], MASK)


def test_without_sequences_the_model_is_asked_once_and_no_text_is_made(tiny_reader: Reader) -> None:
    engine = Scripted(logits("北"), logits("京"))
    seen = fill(FillMask(sequences=False), "[MASK][MASK]", engine, tiny_reader)
    assert len(engine.rounds) == 1
    assert seen.sequences == ()
    assert {each.sequence for mask in seen.masks for each in mask} == {""}


ROWS = arrays(np.float32, (3, len(VOCABULARY)), elements=st.floats(-8, 8, width=32))


@given(rows=ROWS, top_k=st.integers(1, 9))
def test_where_masks_do_not_depend_on_each_other_the_best_filling_is_found(
    tiny_reader: Reader, rows: Array, top_k: int
) -> None:
    seen = fill(FillMask(top_k), "[MASK][MASK]和[MASK]", Scripted(*rows), tiny_reader)
    scores = [sequence.score for sequence in seen.sequences]
    ranking = Ranking(tiny_reader)
    choices = product(*(ranking.best(row, BEAM) for row in rows))
    best = sorted((prod(score for _, score in choice) for choice in choices), reverse=True)
    assert len(scores) == min(top_k, BEAM)
    assert scores == pytest.approx(best[: len(scores)], rel=1e-3)
    assert len({sequence.sequence for sequence in seen.sequences}) == len(scores)


def test_targets_are_scored_and_nothing_else(tiny_reader: Reader) -> None:
    task = FillMask(top_k=3, targets=("不", "京", "京"))
    seen = fill(task, "[MASK]", Scripted(logits("北", "京")), tiny_reader)
    free = fill(FillMask(), "[MASK]", Scripted(logits("北", "京")), tiny_reader)
    assert [candidate.token for candidate in seen.masks[0]] == ["京", "不"]
    assert seen.masks[0][0].score == free.masks[0][1].score


def test_targets_restrict_what_masks_are_filled_with_together(tiny_reader: Reader) -> None:
    task = FillMask(top_k=5, targets=("的", "不"))
    seen = fill(task, "[MASK][MASK]", Scripted(logits("北"), logits("京", "不")), tiny_reader)
    assert len(seen.sequences) == 4
    assert seen.sequences[0].tokens[1] == "不"


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("北京", "2 tokens"),
        ("龘", "no token"),
        ("[MASK]", "no token"),
        (" ", "no token"),
        ("[UNK]", "no token"),
    ],
)
def test_a_target_that_is_not_one_token_is_refused(tiny_reader: Reader, target: str, seen: str) -> None:
    with pytest.raises(
        InvalidTarget, match=rf"which is {seen}.*; one token of this model's vocabulary needed"
    ):
        FillMask(targets=("好", target)).check([Query("[MASK]")], tiny_reader.codec)


def test_a_target_may_be_the_piece_of_a_word_or_written_in_capitals(tiny_reader: Reader) -> None:
    task = FillMask(top_k=2, targets=("##a", "B"))
    seen = fill(task, "a[MASK]", Scripted(logits("##a", "b")), tiny_reader)
    assert [(each.token, each.sequence) for each in seen.masks[0]] == [("##a", "aa"), ("b", "ab")]


def test_a_mask_in_a_long_text_is_read_with_text_on_both_sides(tiny_reader: Reader) -> None:
    text = "好" * 200 + "[MASK]" + "好" * 200 + "[MASK]"
    engine = Scripted(logits("北"), logits("京"))
    seen = fill(FillMask(top_k=1), text, engine, tiny_reader)
    assert [mask[0].offset for mask in seen.masks] == [200, 406]
    assert seen.sequences[0].sequence == "好" * 200 + "北" + "好" * 200 + "京"
    middle, end = engine.rounds[0]
    assert middle.ids[middle.positions[0]] == MASK
    assert POSITIONS / 8 <= middle.positions[0] <= POSITIONS * 7 / 8
    assert end.positions == (POSITIONS - 2,)


def test_special_tokens_are_left_out_but_keep_their_share(tiny_reader: Reader) -> None:
    seen = Ranking(tiny_reader).named(logits("[UNK]", "[MASK]", "[unused1]", "北"), 1)
    assert seen[0][0] == "北"
    assert seen[0][1] < 0.1


SCORES = arrays(np.float32, len(VOCABULARY), elements=st.floats(-30, 30, width=32))


@given(row=SCORES, top_k=st.integers(1, 100))
def test_candidates_are_the_best_in_order_and_their_scores_are_probabilities(
    tiny_reader: Reader, row: Array, top_k: int
) -> None:
    seen = Ranking(tiny_reader).named(row, top_k)
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
def test_a_temperature_changes_scores_and_not_the_order(tiny_reader: Reader, row: Array) -> None:
    warm = Reader(tiny_reader.codec, 2.0, tiny_reader.center)
    best_cold, best_warm = Ranking(tiny_reader).named(row, 1)[0], Ranking(warm).named(row, 1)[0]
    assert row[VOCABULARY[best_cold[0]]] == row[VOCABULARY[best_warm[0]]]
    if softmax(row).argmax() >= 6:
        assert best_warm[1] <= best_cold[1] + 1e-6


def test_only_the_scores_at_the_masks_are_asked_for(tiny_reader: Reader) -> None:
    items = next(FillMask().steps(Query("的[MASK]是[MASK]"), tiny_reader))
    assert [(item.want, item.positions) for item in items] == [(Want.LOGITS, (2, 4))]


def test_texts_that_cannot_be_served_are_told_what_was_seen(tiny_reader: Reader) -> None:
    codec = tiny_reader.codec
    with pytest.raises(NoMask, match=r"a text without a mask; at least one \[MASK\] needed"):
        FillMask().check([Query("中国")], codec)
    with pytest.raises(TooManyMasks, match="a text with 10000 masks; at most 16 needed"):
        FillMask().check([Query("[MASK]" * 10_000)], codec)


def test_the_parameters_of_an_answer_are_told_apart() -> None:
    tasks = [
        FillMask(5),
        FillMask(6),
        FillMask(5, ("好",)),
        FillMask(5, ("不",)),
        FillMask(5, sequences=False),
    ]
    assert len({task.parameters for task in tasks}) == len(tasks)


def test_an_answer_with_too_much_text_is_refused_with_the_numbers(tiny_reader: Reader) -> None:
    queries = [Query("[MASK]" + "好" * 8000)] * 32
    with pytest.raises(AnswerTooLarge, match=r"25,619,200 characters of sequences .*; at most 4,194,304"):
        FillMask(top_k=100).check(queries, tiny_reader.codec)
    FillMask(top_k=5).check(queries, tiny_reader.codec)
    FillMask(top_k=100, targets=("好", "不")).check(queries, tiny_reader.codec)


def test_an_answer_without_texts_may_have_any_number_of_candidates(tiny_reader: Reader) -> None:
    queries = [Query("[MASK]" * 16 + "好" * 8000)] * 32
    FillMask(top_k=100, sequences=False).check(queries, tiny_reader.codec)


@pytest.mark.parametrize(("text", "error"), [("中国", NoMask), ("[MASK]" * 17, TooManyMasks)])
def test_of_several_texts_the_one_at_fault_is_named(
    tiny_reader: Reader, text: str, error: type[TextError]
) -> None:
    with pytest.raises(error, match="at index 1 of the texts: a text with") as refused:
        FillMask().check([Query("[MASK]"), Query(text)], tiny_reader.codec)
    assert refused.value.extra == {"index": 1}
    with pytest.raises(error, match=r"^a text with") as refused:
        FillMask().check([Query(text)], tiny_reader.codec)
    assert refused.value.extra == {}

"""Vocabulary, encoding and batches."""

import numpy as np
import pytest

from training.batches import EDGES, SentencePool, windows
from training.documents import Document
from training.encoding import Encoded, encode
from training.vocabulary import CLS, PAD, SEP, SPECIAL, Vocabulary, build, gb2312_level_1

TEXTS = ("我们都爱北京。", "Linux 内核2026版发布了。", "魑魅魍魉。")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return build(TEXTS, 4200)


@pytest.fixture(scope="module")
def encoded(vocabulary: Vocabulary) -> Encoded:
    documents = [
        Document("news", "t", "1", (("我们", "都", "爱", "北京", "。"), ("北京", "的", "春天", "。"))),
        Document("news", "t", "2", (("大家", "来到", "了", "学校", "。"),)),
    ]
    return encode(documents, vocabulary.tokenizer())


def test_level_1_has_its_3755_characters() -> None:
    level_1 = gb2312_level_1()
    assert len(level_1) == len(set(level_1)) == 3755
    assert (level_1[0], level_1[-1]) == ("啊", "座")


def test_the_vocabulary_has_special_tokens_first_and_every_token_once(vocabulary: Vocabulary) -> None:
    assert vocabulary.tokens[: len(SPECIAL)] == SPECIAL
    assert len(set(vocabulary.tokens)) == len(vocabulary)
    assert {"啊", "座", "linux", "2026", "##x", "，", "魑"} <= set(vocabulary.tokens)


def test_the_vocabulary_keeps_to_its_size() -> None:
    small = build(TEXTS, 200)
    assert len(small) <= 200
    assert {"京", "魑"} <= set(small.tokens)


def test_word_starts_are_carried_over_to_tokens(encoded: Encoded) -> None:
    ids, starts = encoded.sentence(0)
    assert len(ids) == 7
    assert starts.tolist() == [True, False, True, True, True, False, True]


def test_a_document_ends_with_a_separator_that_is_not_part_of_a_sentence(encoded: Encoded) -> None:
    assert (encoded.ids == SEP).sum() == 2
    assert all((encoded.sentence(number)[0] != SEP).all() for number in range(3))


def test_windows_are_full_and_framed(encoded: Encoded) -> None:
    ids, starts = windows({"news": encoded}, {"news": 1.0}, 5, 12, np.random.default_rng(1))
    assert ids.shape == starts.shape == (5, 12)
    assert (ids[:, 0] == CLS).all()
    assert (ids[:, -1] == SEP).all()
    assert (ids != PAD).all()


def test_drawn_sentences_are_whole_and_padded(encoded: Encoded) -> None:
    ids, _ = SentencePool({"news": encoded}, {"news": 1.0}).draw(160, np.random.default_rng(1))
    assert ids.shape[1] in EDGES
    assert 160 - ids.shape[1] < ids.size <= 160
    known = {tuple(encoded.sentence(number)[0].tolist()) for number in range(3)}
    assert {tuple(row[1 : row.tolist().index(SEP)].tolist()) for row in ids} <= known


def test_shares_decide_how_often_a_domain_is_drawn(encoded: Encoded, vocabulary: Vocabulary) -> None:
    other = encode(
        [Document("b", "t", "3", (("春", "夏", "秋", "冬", "来", "了", "。"),))], vocabulary.tokenizer()
    )
    pool = SentencePool({"news": encoded, "b": other}, {"news": 0.25, "b": 0.75})
    drawn = [pool.draw(16 * 500, np.random.default_rng(seed))[0] for seed in range(40)]
    tokens = {True: 0, False: 0}
    for ids in drawn:
        for from_b in (True, False):
            rows = (ids[:, 1] == other.ids[0]) == from_b
            tokens[from_b] += int((ids[rows] != PAD).sum())
    assert tokens[True] / sum(tokens.values()) == pytest.approx(0.75, abs=0.1)

"""What is hidden, and how much of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.masking import Masking, mask
from training.vocabulary import CLS, MASK, PAD, SEP, SPECIAL

VOCABULARY = 100


def _rows(rows: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(1).integers(len(SPECIAL), VOCABULARY, (rows, length))
    ids[:, 0], ids[:, -1] = CLS, SEP
    return ids, np.ones_like(ids, dtype=bool)


@given(st.integers(0, 1000), st.floats(0.01, 0.9))
def test_special_tokens_are_never_hidden_and_each_row_has_a_question(seed: int, rate: float) -> None:
    ids, starts = _rows(4, 12)
    ids[:, 8:] = PAD
    masked = mask(ids, starts, Masking(rate), VOCABULARY, np.random.default_rng(seed))
    assert not masked.hidden[ids < len(SPECIAL)].any()
    assert masked.hidden.any(axis=1).all()


@given(st.integers(0, 1000))
def test_what_is_not_hidden_is_shown_as_it_is(seed: int) -> None:
    ids, starts = _rows(4, 12)
    masked = mask(ids, starts, Masking(0.3), VOCABULARY, np.random.default_rng(seed))
    assert (masked.ids[~masked.hidden] == ids[~masked.hidden]).all()


def test_the_share_of_hidden_tokens_is_the_rate() -> None:
    ids, starts = _rows(200, 128)
    masked = mask(ids, starts, Masking(0.2), VOCABULARY, np.random.default_rng(1))
    assert masked.hidden.mean() == pytest.approx(0.2, abs=0.02)


def test_hidden_tokens_become_masks_but_for_a_share_of_random_and_kept_ones() -> None:
    ids, starts = _rows(200, 128)
    masked = mask(ids, starts, Masking(0.5, random=0.1, kept=0.2), VOCABULARY, np.random.default_rng(1))
    shown, true = masked.ids[masked.hidden], ids[masked.hidden]
    assert (shown == MASK).mean() == pytest.approx(0.7, abs=0.02)
    assert (shown == true).mean() == pytest.approx(0.2, abs=0.02)


def test_long_words_are_hidden_more_often() -> None:
    ids, starts = _rows(200, 42)
    starts[:, 1:21] = np.arange(20) % 4 == 0  # words of four tokens, then words of one
    masked = mask(ids, starts, Masking(0.1, words=0.0, long=0.3), VOCABULARY, np.random.default_rng(1))
    assert masked.hidden[:, 1:21].mean() == pytest.approx(1 - 0.9 * 0.7, abs=0.03)
    assert masked.hidden[:, 21:41].mean() == pytest.approx(0.1, abs=0.03)


def test_whole_words_are_hidden_together() -> None:
    ids, starts = _rows(50, 42)
    starts[:, 1:-1] = np.arange(40) % 4 == 0  # words of four tokens
    masked = mask(ids, starts, Masking(0.2, words=1.0), VOCABULARY, np.random.default_rng(1))
    words = masked.hidden[:, 1:-1].reshape(50, 10, 4)
    rows = masked.hidden.sum(axis=1) > 1  # a row without a chosen word has a single token hidden
    assert (words.all(axis=2) == words.any(axis=2))[rows].all()

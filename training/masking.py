"""Choosing which tokens to hide. Pure arithmetic on arrays; the random generator is passed in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.vocabulary import MASK, SPECIAL

Ids = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


LONG_WORD = 4


@dataclass(frozen=True)
class Masking:
    """How much to hide, and how: `words` is the share of hidden tokens hidden as whole words.

    Tokens of words of LONG_WORD and more, idioms above all, are hidden at the rate `long` on top.

    Of the hidden tokens `random` are replaced by any token and `kept` stay as they are, so that
    the model also looks at characters that it sees.
    """

    rate: float
    words: float = 0.2
    random: float = 0.05
    kept: float = 0.05
    long: float = 0.0


@dataclass(frozen=True)
class Masked:
    """Input with hidden tokens, and which positions must be guessed; both of the input's shape."""

    ids: Ids
    hidden: Flags


def mask(ids: Ids, starts: Flags, masking: Masking, vocabulary: int, rng: np.random.Generator) -> Masked:
    """Hide single tokens and whole words of `ids` (rows, tokens); special tokens are never hidden.

    Every row with an ordinary token has at least one hidden.
    """
    ordinary = ids >= len(SPECIAL)
    hidden = ordinary & (_singles(ids, masking, rng) | _whole_words(starts, masking, rng))
    if masking.long:
        hidden |= ordinary & _in_long_words(starts) & (rng.random(ids.shape) < masking.long)
    hidden |= _one_a_row(ordinary, rng) & ~hidden.any(axis=1, keepdims=True)
    return Masked(_replace(ids, hidden, masking, vocabulary, rng), hidden)


def _singles(ids: Ids, masking: Masking, rng: np.random.Generator) -> Flags:
    return rng.random(ids.shape) < masking.rate * (1 - masking.words)


def _whole_words(starts: Flags, masking: Masking, rng: np.random.Generator) -> Flags:
    words = np.cumsum(starts.ravel()).reshape(starts.shape)
    chosen = rng.random(int(words.max(initial=0)) + 1) < masking.rate * masking.words
    return np.asarray(chosen[words], np.bool_)


def _in_long_words(starts: Flags) -> Flags:
    words = np.cumsum(starts.ravel()).reshape(starts.shape)
    return np.asarray(np.bincount(words.ravel())[words] >= LONG_WORD, np.bool_)


def _one_a_row(ordinary: Flags, rng: np.random.Generator) -> Flags:
    scores = np.where(ordinary, rng.random(ordinary.shape), -1.0)
    best = np.zeros_like(ordinary)
    best[np.arange(len(ordinary)), scores.argmax(axis=1)] = True
    return best & ordinary


def _replace(ids: Ids, hidden: Flags, masking: Masking, vocabulary: int, rng: np.random.Generator) -> Ids:
    draw = rng.random(ids.shape)
    shown = ids.copy()
    shown[hidden & (draw >= masking.kept)] = MASK
    anything = hidden & (draw >= masking.kept) & (draw < masking.kept + masking.random)
    shown[anything] = rng.integers(len(SPECIAL), vocabulary, int(anything.sum()))
    return shown

"""Engines: one module a backend behind one protocol."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

# Before numpy is there, whose threads would wait for work by spinning, on the cores that a start needs.
# What is left to numpy here is too small for threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Want(Enum):
    """What is wanted of a text."""

    LOGITS = "logits"
    """Scores over the vocabulary at the given positions: (positions, vocabulary)."""
    FIRST = "first"
    """The last hidden state of the first token, [CLS]: (hidden,)."""
    MEAN = "mean"
    """The mean of the last hidden states of all tokens but [CLS] and [SEP]: (hidden,)."""
    MAX = "max"
    """The largest value of each element among the last hidden states of the same tokens: (hidden,)."""


@dataclass(frozen=True)
class Item:
    """One text to compute: its token ids with [CLS] and [SEP], and what is wanted of it."""

    ids: tuple[int, ...]
    want: Want
    positions: tuple[int, ...] = ()


class Engine(Protocol):
    """Computes a BERT. Called by one thread at a time."""

    @property
    def positions(self) -> int:
        """How many tokens a text may have, [CLS] and [SEP] included."""

    @property
    def vocabulary(self) -> int:
        """How many token ids there are."""

    def run(self, items: Sequence[Item]) -> Sequence[Array]:
        """Return one array an item, in their order; an item's array does not depend on the others."""

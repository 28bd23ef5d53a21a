"""Filling masks: ranking tokens by their scores, and filling several masks together. No I/O."""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice

import numpy as np

from service.engine import Array, Item, Want
from service.tasks.base import Reader
from service.text.codec import Mask
from service.text.windows import Window

BEAM = 5
"""Sequences that are kept while several masks are filled together, and returned at most."""


@dataclass(frozen=True)
class Ranking:
    """Ranks tokens by their logits, all that can be said or only the allowed ones."""

    reader: Reader
    allowed: tuple[int, ...] | None = None

    def best(self, logits: Array, count: int) -> list[tuple[int, float]]:
        """Return the likeliest token ids of one mask, (vocabulary,), with their calibrated probabilities."""
        probabilities = softmax(logits / self.reader.temperature)
        if self.allowed is not None:
            among = np.array(self.allowed)
        else:
            # Special tokens are skipped below, so that many more may be needed.
            enough = min(count + len(self.reader.codec.unspeakable), len(logits))
            among = np.argpartition(-logits, enough - 1)[:enough]
        order = among[np.lexsort((among, -logits[among]))]
        speakable = (int(index) for index in order if self.reader.codec.token(int(index)) is not None)
        return [(index, float(probabilities[index])) for index in islice(speakable, count)]

    def named(self, logits: Array, count: int) -> list[tuple[str, float]]:
        """Return the likeliest tokens of one mask with their calibrated probabilities."""
        best = self.best(logits, count)
        tokens = self.names([index for index, _ in best])
        return [(token, score) for token, (_, score) in zip(tokens, best, strict=True)]

    def names(self, ids: Sequence[int]) -> list[str]:
        """Return tokens by their ids."""
        return [self.reader.codec.token(index) or "" for index in ids]


@dataclass(frozen=True)
class Guess:
    """The first masks filled: token ids in the order of the masks, and the sum of log-probabilities."""

    tokens: tuple[int, ...] = ()
    score: float = 0.0


def fill_together(
    ranking: Ranking, masks: Sequence[Mask], views: Sequence[Window], *, first: Array
) -> Generator[Sequence[Item], Sequence[Array], list[Guess]]:
    """Return the best fillings of all masks by beam search from left to right, best first.

    ``views`` holds the window that each mask is filled in; ``first`` the logits of the first mask.
    """
    beam = _grown([Guess()], [first], ranking)
    for count in range(1, len(masks)):
        arrays = yield [item(_filled(views[count], masks, guess), [masks[count]]) for guess in beam]
        beam = _grown(beam, [array[0] for array in arrays], ranking)
    return beam


def _grown(beam: Sequence[Guess], rows: Sequence[Array], ranking: Ranking) -> list[Guess]:
    grown = (
        Guess((*guess.tokens, token), guess.score + math.log(max(score, 1e-45)))
        for guess, row in zip(beam, rows, strict=True)
        for token, score in ranking.best(row, BEAM)
    )
    return nlargest(BEAM, grown, key=lambda guess: guess.score)


def _filled(view: Window, masks: Sequence[Mask], guess: Guess) -> Window:
    """Return a window with the guess' tokens in place of the masks that it shows."""
    ids = list(view.ids)
    for mask, token in zip(masks, guess.tokens, strict=False):
        if view.depth(mask.position):
            ids[mask.position - view.start] = token
    return Window(tuple(ids), view.start)


def item(view: Window, masks: Sequence[Mask]) -> Item:
    """Ask for the scores at masks, in a window that shows them."""
    return Item(view.ids, Want.LOGITS, tuple(mask.position - view.start for mask in masks))


def softmax(logits: Array) -> Array:
    """Return the probabilities that logits stand for."""
    raised: Array = np.exp(logits - logits.max())
    probabilities: Array = raised / raised.sum()
    return probabilities

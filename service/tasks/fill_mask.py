"""Fill-mask: the likeliest tokens for each mask alone, and for several masks together. No I/O."""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from heapq import nlargest
from itertools import islice
from typing import ClassVar, Self

import numpy as np

from service.engine import Array, Item, Want
from service.errors import InvalidTarget, NoMask, TextError, TooManyMasks
from service.tasks.base import Query, Reader, Steps, encode
from service.tasks.filled import candidate, characters, require_room, whole
from service.text.codec import Codec, Mask
from service.text.windows import Window, home, windows

MAX_MASKS = 16
BEAM = 5
"""Sequences that are kept while several masks are filled together, and returned at most."""


@dataclass(frozen=True)
class FillMask:
    """The likeliest tokens for each [MASK], and for several masks the likeliest sequences.

    With one mask the answer is a list of {token, score, sequence, offset}, best first. A score is the
    calibrated probability among the whole vocabulary; special tokens are left out of the ranking but
    keep their share. ``sequence`` is the text with this one mask filled. ``offset`` is where the mask
    starts, in code points.

    With several masks it is {masks, sequences}: ``masks`` holds such a list for each mask on its own.
    ``sequences`` are the best fillings of all masks together, {sequence, tokens, score}: the masks are
    filled from left to right, the model reads each partial filling again, the best ``BEAM`` are kept,
    and a score is the product of the tokens' probabilities.

    ``targets`` restricts both to given tokens. A mask in a long text is filled in the window that shows
    most text around it.
    """

    top_k: int = 5
    targets: tuple[str, ...] | None = None
    sequences: bool = True
    """Whether texts are answered too: each candidate's, and those with all masks filled together."""
    name: ClassVar[str] = "fill-mask"

    @property
    def parameters(self) -> str:
        """The number of candidates, what they are chosen from, and whether there are sequences."""
        return f"top_k={self.top_k},targets={self.targets!r},sequences={self.sequences}"

    def check(self, queries: Sequence[Query], codec: Codec) -> None:
        """Count the masks and what there would be to answer, and look the targets up."""
        allowed = self._allowed(codec)
        candidates = self.top_k if allowed is None else min(self.top_k, len(allowed))
        asked = 0
        for index, query in enumerate(queries):
            masks = query.text.count(codec.mask_token)
            if not 1 <= masks <= MAX_MASKS:
                raise _miscounted(masks, codec.mask_token).at(index, len(queries))
            asked += characters(query.text, masks, candidates, min(self.top_k, BEAM))
        if self.sequences:
            require_room(asked)

    def normalised(self, change: Callable[[str], str]) -> Self:
        """Return the same with the targets normalised as the texts are."""
        return self if self.targets is None else replace(self, targets=tuple(map(change, self.targets)))

    def steps(self, query: Query, reader: Reader) -> Steps:
        """Ask for the scores at the masks, then again for each partial filling."""
        text = encode(query.text, reader.codec)
        views = windows(text.ids, reader.codec.limit)
        ranking = Ranking(reader, self._allowed(reader.codec))
        homes = [home(views, mask.position) for mask in text.masks]
        shown = {
            index: [mask for mask, at in zip(text.masks, homes, strict=True) if at == index]
            for index in homes
        }
        # A mask's home is never left of the home of a mask before it: the rows come in the masks' order.
        rows = np.concatenate((yield [_item(views[index], masks) for index, masks in shown.items()]))
        masks = [
            [
                candidate(query.text, mask, token, score, spelled=self.sequences)
                for token, score in ranking.named(row, self.top_k)
            ]
            for mask, row in zip(text.masks, rows, strict=True)
        ]
        if len(masks) == 1:
            return masks[0]
        if not self.sequences:
            return {"masks": masks, "sequences": []}
        beam = yield from fill_together(ranking, text.masks, [views[index] for index in homes], first=rows[0])
        sequences = [
            whole(query.text, text.masks, ranking.names(guess.tokens), guess.score)
            for guess in beam[: self.top_k]
        ]
        return {"masks": masks, "sequences": sequences}

    def _allowed(self, codec: Codec) -> tuple[int, ...] | None:
        """Return the targets' ids, each once."""
        if self.targets is None:
            return None
        return tuple(dict.fromkeys(_target(target, codec) for target in self.targets))


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
        arrays = yield [_item(_filled(views[count], masks, guess), [masks[count]]) for guess in beam]
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


def _item(view: Window, masks: Sequence[Mask]) -> Item:
    return Item(view.ids, Want.LOGITS, tuple(mask.position - view.start for mask in masks))


def _miscounted(masks: int, token: str) -> TextError:
    if not masks:
        return NoMask(
            seen="a text without a mask",
            needed=f"at least one {token}",
            do=f"put it where a token is to be found, as in 中国的首都是{token}。",
        )
    return TooManyMasks(seen=f"a text with {masks} masks", needed=f"at most {MAX_MASKS}", do="split the text")


def _target(target: str, codec: Codec) -> int:
    ids = codec.ids_of(target)
    if len(ids) != 1 or codec.token(ids[0]) is None:
        raise InvalidTarget(
            seen=f"the target {target!r}, which is {_counted(len(ids))}",
            needed="one token of this model's vocabulary",
            do="send single characters, or send as many masks as the word has characters",
        )
    return ids[0]


def _counted(tokens: int) -> str:
    return "no token that can be said" if tokens <= 1 else f"{tokens} tokens"


def softmax(logits: Array) -> Array:
    """Return the probabilities that logits stand for."""
    raised: Array = np.exp(logits - logits.max())
    probabilities: Array = raised / raised.sum()
    return probabilities

"""Texts to calibrate with and others to judge by. Pure.

Calibration has to see what real texts may do to activations, so it reads spliced sentences with a
third of the tokens drawn at random from the whole vocabulary, and some of them masked. Measured on
product reviews, ranges found so hold as well as those found on other reviews.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Self

from service.text.codec import Codec
from service.text.sentences import SENTENCES

Ids = tuple[int, ...]

_SEED = 7
_TO_CALIBRATE = 128
_FOREIGN = 0.3
_MASKED = 0.1
_SHORTEST = 3


@dataclass(frozen=True)
class Sample:
    """Texts as token ids with [CLS] and [SEP], and the mask's id."""

    calibration: Sequence[Ids]
    judgement: Sequence[Ids]
    mask: int

    @classmethod
    def of(cls, codec: Codec, texts: Sequence[str] = SENTENCES) -> Self:
        """Make the sample of a model; texts longer than half of what it reads are left out."""
        encoded = [codec.encode(text).ids for text in texts]
        sentences = [ids for ids in encoded if _SHORTEST <= len(ids) <= codec.limit // 2]
        mask = codec.encode(codec.mask_token)
        mask_id = mask.ids[mask.masks[0].position]
        words = sorted(set(range(codec.size)) - codec.unspeakable)
        return cls(
            tuple(to_calibrate(sentences[::2], _TO_CALIBRATE, words, mask_id, Random(_SEED))),
            tuple(sentences[1::2]),
            mask_id,
        )


def to_calibrate(
    sentences: Sequence[Ids], count: int, words: Sequence[int], mask: int, random: Random
) -> Iterator[Ids]:
    """Yield ``count`` texts made of sentences, with foreign words and masks in them."""

    def changed(token: int) -> int:
        luck = random.random()
        if luck < _MASKED:
            return mask
        return random.choice(words) if luck < _MASKED + _FOREIGN else token

    for _ in range(count):
        yield _within(splice(sentences, random), changed)


def splice(sentences: Sequence[Ids], random: Random) -> Ids:
    """Return the head of one sentence with the tail of another, in one pair of [CLS] and [SEP]."""
    head, tail = random.choice(sentences), random.choice(sentences)
    return (*head[: random.randrange(2, len(head))], *tail[random.randrange(1, len(tail) - 1) :])


def _within(ids: Ids, change: Callable[[int], int]) -> Ids:
    return (ids[0], *(change(token) for token in ids[1:-1]), ids[-1])

"""What a pod can do with a text, as functions over token ids and an engine's arrays. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from service.codec import CONTINUATION, Codec, Encoded, Mask
from service.engine import Array, Item, Want
from service.errors import NoMask, TextEmpty, TextTooLong, TooManyMasks

Answer = list[Any] | Array | float
"""What stands in ``result`` for one query, ready for JSON."""

MAX_MASKS = 16
_SPECIAL = 2  # [CLS] and [SEP]


@dataclass(frozen=True)
class Query:
    """One thing asked: a text, or a pair of texts."""

    text: str
    pair: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts to compute."""
        return (self.text,) if self.pair is None else (self.text, self.pair)


@dataclass(frozen=True)
class Reader:
    """What turns an engine's arrays into answers: the tokenizer and the model's calibration.

    ``temperature`` divides the logits. ``center`` (hidden,) is subtracted from text vectors before
    they are compared.
    """

    codec: Codec
    temperature: float
    center: Array


@dataclass(frozen=True)
class Computed:
    """All that an answer is made from: the query, its texts' ids, an array for each, and the reader."""

    query: Query
    encoded: Sequence[Encoded]
    arrays: Sequence[Array]
    reader: Reader


class Task(Protocol):
    """One kind of question."""

    name: ClassVar[str]

    @property
    def parameters(self) -> str:
        """What else an answer depends on, for the cache."""
        ...

    def check(self, query: Query, codec: Codec) -> None:
        """Raise RequestError if the text cannot be served, as far as it can be told cheaply."""
        ...

    def items(self, encoded: Sequence[Encoded]) -> tuple[Item, ...]:
        """Return what to compute, one item a text."""
        ...

    def answer(self, computed: Computed) -> Answer:
        """Turn the arrays of the items into the answer, ready for JSON."""
        ...


@dataclass(frozen=True)
class FillMask:
    """The likeliest tokens for each [MASK].

    The answer is a list of {token, score, sequence, offset}, best first; with several masks a list
    of such lists, in the order of the masks. A score is the calibrated probability among the whole
    vocabulary; special tokens are left out of the ranking but keep their share. ``sequence`` is the
    text with this one mask filled. ``offset`` is where the mask starts, in code points.
    """

    top_k: int = 5
    name: ClassVar[str] = "fill-mask"

    @property
    def parameters(self) -> str:
        """The number of candidates."""
        return f"top_k={self.top_k}"

    def check(self, query: Query, codec: Codec) -> None:
        """Count the masks."""
        masks = query.text.count(codec.mask_token)
        if not masks:
            raise NoMask(
                seen="a text without a mask",
                needed=f"at least one {codec.mask_token}",
                do=f"put it where a token is to be found, as in 中国的首都是{codec.mask_token}。",
            )
        if masks > MAX_MASKS:
            raise TooManyMasks(
                seen=f"a text with {masks} masks", needed=f"at most {MAX_MASKS}", do="split the text"
            )

    def items(self, encoded: Sequence[Encoded]) -> tuple[Item, ...]:
        """Ask for the scores at the masks."""
        return tuple(
            Item(text.ids, Want.LOGITS, tuple(mask.position for mask in text.masks)) for text in encoded
        )

    def answer(self, computed: Computed) -> Answer:
        """Rank the tokens for each mask."""
        text, reader = computed.query.text, computed.reader
        answers = [
            [_candidate(text, mask, token, score) for token, score in ranked(logits, self.top_k, reader)]
            for mask, logits in zip(computed.encoded[0].masks, computed.arrays[0], strict=True)
        ]
        return answers[0] if len(answers) == 1 else answers


@dataclass(frozen=True)
class Similarity:
    """How alike two texts are, from 0 to 1.

    The cosine of the texts' mean-pooled vectors after the model's center is taken off both;
    negative cosines (less alike than two unrelated texts) count as 0.
    """

    name: ClassVar[str] = "semantic-similarity"

    @property
    def parameters(self) -> str:
        """There are none."""
        return ""

    def check(self, query: Query, codec: Codec) -> None:
        """Accept any text."""

    def items(self, encoded: Sequence[Encoded]) -> tuple[Item, ...]:
        """Ask for the mean of the hidden states."""
        return tuple(Item(text.ids, Want.MEAN) for text in encoded)

    def answer(self, computed: Computed) -> Answer:
        """Compare the two vectors."""
        first, second = (array - computed.reader.center for array in computed.arrays)
        return _short(similarity(first, second))


@dataclass(frozen=True)
class Features:
    """The vector of a text: the last hidden state of [CLS]."""

    name: ClassVar[str] = "feature-extraction"

    @property
    def parameters(self) -> str:
        """There are none."""
        return ""

    def check(self, query: Query, codec: Codec) -> None:
        """Accept any text."""

    def items(self, encoded: Sequence[Encoded]) -> tuple[Item, ...]:
        """Ask for the first hidden state."""
        return tuple(Item(text.ids, Want.FIRST) for text in encoded)

    def answer(self, computed: Computed) -> Answer:
        """Return the vector."""
        return computed.arrays[0]


def encode(query: Query, codec: Codec) -> tuple[Encoded, ...]:
    """Turn a query's texts into token ids.

    Raises:
        TextEmpty: A text has no token that a model could see.
        TextTooLong: A text has more tokens than the model has positions.
    """
    encoded = tuple(codec.encode(text) for text in query.texts)
    for text in encoded:
        if len(text.ids) <= _SPECIAL:
            raise TextEmpty(
                seen="a text of nothing but blanks", needed="at least one character", do="send text"
            )
        if len(text.ids) > codec.limit:
            raise TextTooLong(
                seen=f"a text of {len(text.ids)} tokens, [CLS] and [SEP] included",
                needed=f"at most {codec.limit}",
                do="shorten or split the text",
            )
    return encoded


def _candidate(text: str, mask: Mask, token: str, score: float) -> dict[str, str | float | int]:
    filled = text[: mask.start] + token.removeprefix(CONTINUATION) + text[mask.end :]
    return {"token": token, "score": _short(score), "sequence": filled, "offset": mask.start}


def _short(number: float) -> float:
    """Keep what a float32 knows, six digits."""
    return float(f"{number:.6g}")


def ranked(logits: Array, top_k: int, reader: Reader) -> list[tuple[str, float]]:
    """Return the ``top_k`` likeliest tokens of one mask with their calibrated probabilities."""
    probabilities = softmax(logits / reader.temperature)
    # Special tokens are skipped below, so that many more may be needed.
    enough = min(top_k + len(reader.codec.unspeakable), len(probabilities))
    best = np.argpartition(-logits, enough - 1)[:enough]
    best = best[np.lexsort((best, -logits[best]))]
    named = ((reader.codec.token(int(index)), float(probabilities[index])) for index in best)
    return [(token, score) for token, score in named if token is not None][:top_k]


def softmax(logits: Array) -> Array:
    """Return the probabilities that logits stand for."""
    raised: Array = np.exp(logits - logits.max())
    probabilities: Array = raised / raised.sum()
    return probabilities


def similarity(first: Array, second: Array) -> float:
    """Return the cosine of two vectors, cut to 0..1; 0 where one has no direction."""
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return min(max(float(first @ second) / length, 0.0), 1.0) if length else 0.0

"""What a pod can do with a text, as steps over token ids and an engine's arrays. No I/O."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from service.engine import Array, Item, Want
from service.errors import TextEmpty
from service.text.codec import Codec, Encoded
from service.text.windows import windows

Answer = dict[str, Any] | list[Any] | Array | float
"""What stands in ``result`` for one query, ready for JSON."""

Steps = Generator[Sequence[Item], Sequence[Array], Answer]
"""Yields items, is sent an array for each, and returns the answer after as many rounds as it needs."""

_SPECIAL = 2  # [CLS] and [SEP]
_TOKENS_A_CHARACTER = 4
"""At most, by decomposition to NFD (https://unicode.org/faq/normalization.html)."""


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


class Task(Protocol):
    """One kind of question."""

    name: ClassVar[str]

    @property
    def parameters(self) -> str:
        """What else an answer depends on, for the cache."""
        ...

    def check(self, queries: Sequence[Query], codec: Codec) -> None:
        """Raise RequestError if a request's queries cannot be served, as far as it can be told cheaply."""
        ...

    def normalised(self, change: Callable[[str], str]) -> Self:
        """Return the same with its own texts normalised as the queries are."""
        ...

    def steps(self, query: Query, reader: Reader) -> Steps:
        """Ask for arrays and return the answer; raises RequestError at the first step."""
        ...


class Pooling(Enum):
    """How the states of a text's tokens become one vector."""

    CLS = "cls"
    """The state of [CLS]; the average over the windows of a long text."""
    MEAN = "mean"
    """The average over the tokens; over the windows of a long text, the average of theirs."""
    MAX = "max"
    """The largest value of each element, over all tokens of all windows."""


_WANTS = {Pooling.CLS: Want.FIRST, Pooling.MEAN: Want.MEAN, Pooling.MAX: Want.MAX}


@dataclass(frozen=True)
class Features:
    """The vector of a text; with ``normalize`` of length 1 (a vector of zeros stays one)."""

    pooling: Pooling = Pooling.CLS
    normalize: bool = False
    name: ClassVar[str] = "feature-extraction"

    @property
    def parameters(self) -> str:
        """The pooling and the length."""
        return f"pooling={self.pooling.value},normalize={self.normalize}"

    def check(self, queries: Sequence[Query], codec: Codec) -> None:
        """Accept any text."""

    def normalised(self, change: Callable[[str], str]) -> Self:  # noqa: ARG002 - it has no texts
        """Return it as it is."""
        return self

    def steps(self, query: Query, reader: Reader) -> Steps:
        """Ask for the pooled states of each window and merge them."""
        arrays = yield items(query.text, reader.codec, _WANTS[self.pooling])
        vector = merged(arrays, self.pooling)
        length = float(np.linalg.norm(vector))
        return vector / np.float32(length) if self.normalize and length else vector


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

    def check(self, queries: Sequence[Query], codec: Codec) -> None:
        """Accept any text."""

    def normalised(self, change: Callable[[str], str]) -> Self:  # noqa: ARG002 - it has no texts
        """Return it as it is."""
        return self

    def steps(self, query: Query, reader: Reader) -> Steps:
        """Ask for the mean of each text's states and compare the two."""
        named = zip(query.texts, ("text", "text_pair"), strict=True)
        sides = [items(text, reader.codec, Want.MEAN, name) for text, name in named]
        arrays = yield [item for side in sides for item in side]
        cut = len(sides[0])
        first, second = (merged(part, Pooling.MEAN) - reader.center for part in (arrays[:cut], arrays[cut:]))
        return short(similarity(first, second))


def encode(text: str, codec: Codec, name: str = "text") -> Encoded:
    """Turn a text into token ids; ``name`` is the field it came in.

    Raises:
        TextEmpty: It has no token that a model could see.
    """
    encoded = codec.encode(text)
    if len(encoded.ids) <= _SPECIAL:
        raise TextEmpty(
            seen=f"a {name} of nothing but blanks", needed="at least one character", do="send text"
        )
    return encoded


def items(text: str, codec: Codec, want: Want, name: str = "text") -> tuple[Item, ...]:
    """Return an item for each window of a text; ``name`` is the field it came in."""
    return tuple(Item(view.ids, want) for view in windows(encode(text, codec, name).ids, codec.limit))


def window_count(query: Query, codec: Codec) -> int:
    """Return into how many windows the longer text of a query is cut; 1 is a text that fits."""
    return max(_windows(text, codec) for text in query.texts)


def _windows(text: str, codec: Codec) -> int:
    # Most texts are far shorter than the model: they need not be encoded to know that.
    if len(text) * _TOKENS_A_CHARACTER + _SPECIAL <= codec.limit:
        return 1
    return len(windows(codec.encode(text).ids, codec.limit))


def merged(arrays: Sequence[Array], pooling: Pooling) -> Array:
    """Return one vector for a text from those of its windows (see `Pooling`)."""
    if len(arrays) == 1:
        return arrays[0]
    stack = np.stack(arrays)
    vector: Array = stack.max(axis=0) if pooling is Pooling.MAX else stack.mean(axis=0)
    return vector


def short(number: float) -> float:
    """Keep what a float32 knows, six digits."""
    return float(f"{number:.6g}")


def similarity(first: Array, second: Array) -> float:
    """Return the cosine of two vectors, cut to 0..1; 0 where one has no direction."""
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return min(max(float(first @ second) / length, 0.0), 1.0) if length else 0.0


def normalised(query: Query, change: Callable[[str], str]) -> Query:
    """Return the same question about normalised texts."""
    return Query(change(query.text), None if query.pair is None else change(query.pair))

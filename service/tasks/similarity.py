"""Semantic similarity: how alike two texts are. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self

import numpy as np
from pydantic import Field

from service.engine import Array
from service.errors import InvalidFields
from service.tasks.agreement import Agreement
from service.tasks.base import Answer, Query, Reader, Steps, Task, reading, short
from service.tasks.endpoint import Endpoint
from service.tasks.pooling import Pooling, items, merged
from service.tasks.request import Request, Texts, listed
from service.tasks.tensors import Output, Tensor, floats

MOST_APART: Final = 0.2
"""By how much two versions' answers may differ."""
_HALF: Final = 0.5
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Likeness(Answer):
    """How alike the texts of a pair are."""

    share: float

    form = Share
    tensors = (Tensor("similarity", "FP32", (-1,)),)

    def document(self) -> float:
        """Return the number."""
        return self.share

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Return the number that was packed."""
        return cls(reading(Share).validate_json(content))

    @classmethod
    def outputs(cls, answers: Sequence[Self]) -> Sequence[Output]:
        """Return the numbers."""
        return [floats("similarity", [answer.share for answer in answers])]

    def compared(self, canary: Self) -> Agreement:
        """Compare by the difference."""
        apart = abs(self.share - canary.share)
        sentence = f"similarity {self.shown()} and {canary.shown()}; up to {MOST_APART:g} apart is agreement"
        flipped = (self.share < _HALF) != (canary.share < _HALF)
        return Agreement(not apart <= MOST_APART, flipped, short(min(apart, 1.0)), sentence)

    def shown(self) -> str:
        """Return three digits."""
        return f"{self.share:.3f}"


@dataclass(frozen=True)
class Similarity(Task):
    """How alike two texts are, from 0 to 1.

    The cosine of the texts' mean-pooled vectors after the model's center is taken off both;
    negative cosines (less alike than two unrelated texts) count as 0.
    """

    name: ClassVar[str] = "semantic-similarity"
    answer = Likeness

    def steps(self, query: Query, reader: Reader) -> Steps:
        """Ask for the mean of each text's states and compare the two."""
        named = zip(query.texts, SimilarityRequest.inputs, strict=True)
        sides = [items(text, reader.codec, Pooling.MEAN, name) for text, name in named]
        arrays = yield [item for side in sides for item in side]
        cut = len(sides[0])
        first, second = (merged(part, Pooling.MEAN) - reader.center for part in (arrays[:cut], arrays[cut:]))
        return Likeness(short(similarity(first, second)))


def similarity(first: Array, second: Array) -> float:
    """Return the cosine of two vectors, cut to 0..1; 0 where one has no direction."""
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return min(max(float(first @ second) / length, 0.0), 1.0) if length else 0.0


class SimilarityRequest(Request):
    """Two texts, or two lists of texts that are compared one to one."""

    inputs = ("text", "text_pair")

    text_pair: Texts = Field(description="What to compare with: a text, or a list as long as ``text``.")

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Take the fields of a request; the two sides must have the same form and length.

        Raises:
            InvalidFields: The fields are not as needed.
        """
        request = super().of(fields)
        one, other = _form(request.text), _form(request.text_pair)
        if one != other:
            raise InvalidFields({"text_pair": f"is {other}; {one} needed, as in text: send pairs"})
        return request

    @property
    def queries(self) -> tuple[Query, ...]:
        """The pairs."""
        return tuple(Query(*pair) for pair in zip(listed(self.text), listed(self.text_pair), strict=True))

    @property
    def task(self) -> Similarity:
        """Compare the texts."""
        return Similarity()


def _form(texts: str | list[str]) -> str:
    return "one text" if isinstance(texts, str) else f"a list of {len(texts)}"


ENDPOINT = Endpoint(
    Similarity,
    SimilarityRequest,
    summary="Compare texts",
    example={"text": "今天天气很好。", "text_pair": "今天是个晴天。"},
)

"""Feature extraction: a text as a vector. No I/O.

The cache keeps vectors in half precision. Measured on 768 numbers: 1,536 bytes in half precision, 3,072 in
single, 2,898 in single after zlib, 8,558 as JSON; writing and reading take 3 us in half precision, 58 us
with zlib and 63 us as JSON. A number keeps 11 bits: it moves by at most 1/2048 of itself (below 6e-5: by
3e-8), the cosine of a vector to what it was stays above 0.9999999.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Self

import numpy as np
from pydantic import Field

from service.engine import Array
from service.tasks.agreement import Agreement, other_form
from service.tasks.base import Answer, Query, Reader, Steps, Task, reading, short
from service.tasks.endpoint import Endpoint
from service.tasks.pooling import Pooling, items, merged
from service.tasks.request import Request
from service.tasks.tensors import Output, Tensor, floats

LEAST_COSINE: Final = 0.75
_SHOWN: Final = 3
_HALF: Final = b"\x01"
"""The first byte of a vector in half precision; no JSON begins with it."""
_HALF_TYPE: Final = np.dtype("<f2")
_LARGEST: Final = float(np.finfo(_HALF_TYPE).max)


@dataclass(frozen=True, eq=False)
class Vector(Answer):
    """The vector of a text, (hidden,)."""

    numbers: Array

    form = list[float]
    tensors = (Tensor("features", "FP32", (-1, -1)),)

    def document(self) -> Array:
        """Return the numbers."""
        return self.numbers

    def pack(self) -> bytes:
        """Return it in half precision, or as JSON where a number is too large for that."""
        if bool((np.abs(self.numbers) <= _LARGEST).all()):
            return _HALF + self.numbers.astype(_HALF_TYPE).tobytes()
        return super().pack()

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Return the vector that was packed."""
        if content.startswith(_HALF):
            return cls(np.frombuffer(content, _HALF_TYPE, offset=1).astype(np.float32))
        return cls(np.array(reading(list[float]).validate_json(content), dtype=np.float32))

    @classmethod
    def outputs(cls, answers: Sequence[Self]) -> Sequence[Output]:
        """Return the vectors as rows."""
        return [floats("features", np.stack([answer.numbers for answer in answers]))]

    def compared(self, canary: Self) -> Agreement:
        """Compare by the cosine."""
        ours, theirs = self.numbers, canary.numbers
        if ours.shape != theirs.shape:
            return other_form(self.shown(), canary.shown())
        length = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
        same = bool((ours == theirs).all())
        cosine = min(max(float(ours @ theirs) / length, -1.0), 1.0) if length else float(same)
        sentence = f"cosine {cosine:.3f}, at least {LEAST_COSINE:g} is agreement"
        return Agreement(not cosine >= LEAST_COSINE, cosine < 0, short(min((1 - cosine) / 2, 1.0)), sentence)

    def shown(self) -> str:
        """Return the first numbers and the length."""
        first = ", ".join(f"{number:.3f}" for number in self.numbers[:_SHOWN])
        return f"[{first}, ...] of {len(self.numbers)} numbers, length {np.linalg.norm(self.numbers):.2f}"


@dataclass(frozen=True)
class Features(Task):
    """The vector of a text; with ``normalize`` of length 1 (a vector of zeros stays one)."""

    pooling: Pooling = Pooling.CLS
    normalize: bool = False

    name: ClassVar[str] = "feature-extraction"
    answer = Vector

    def steps(self, query: Query, reader: Reader) -> Steps:
        """Ask for the pooled states of each window and merge them."""
        arrays = yield items(query.text, reader.codec, self.pooling)
        vector = merged(arrays, self.pooling)
        length = float(np.linalg.norm(vector))
        return Vector(vector / np.float32(length) if self.normalize and length else vector)


class FeaturesRequest(Request):
    """Texts to turn into vectors."""

    pooling: Literal["cls", "mean", "max"] = Field(
        "cls", description="Take the vector of [CLS], or the mean or the maximum over the tokens."
    )
    normalize: bool = Field(False, description="Give the vector the length 1.")  # noqa: FBT003 - pydantic's own

    @property
    def task(self) -> Features:
        """Return the vectors."""
        return Features(Pooling(self.pooling), self.normalize)


ENDPOINT = Endpoint(
    Features,
    FeaturesRequest,
    summary="Turn texts into vectors",
    example={"text": "今天天气很好。", "pooling": "mean", "normalize": True},
)

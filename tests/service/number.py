"""A task as a newcomer would add it, in one file: the mean of what the model says of a text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from service.tasks.agreement import Agreement
from service.tasks.base import Answer, Query, Reader, Steps, Task
from service.tasks.endpoint import Endpoint
from service.tasks.pooling import Pooling, items, merged
from service.tasks.request import Request
from service.tasks.tensors import Output, Tensor, floats


@dataclass(frozen=True)
class Number(Answer):
    """A number."""

    value: float

    tensors = (Tensor("number", "FP32", (-1,)),)

    @classmethod
    def outputs(cls, answers: Sequence[Self]) -> Sequence[Output]:
        """Return the numbers."""
        return [floats("number", [answer.value for answer in answers])]

    def compared(self, canary: Self) -> Agreement:
        """Compare them for being the same."""
        apart = self.value != canary.value
        return Agreement(apart, apart, float(apart), f"{self.shown()} and {canary.shown()}")

    def shown(self) -> str:
        """Return the number."""
        return f"{self.value:g}"


@dataclass(frozen=True)
class Mean(Task):
    """The mean of the numbers of a text's vector."""

    name: ClassVar[str] = "mean"
    answer = Number

    def steps(self, query: Query, reader: Reader) -> Steps:
        """Ask for the vector."""
        arrays = yield items(query.text, reader.codec, Pooling.MEAN)
        return Number(float(merged(arrays, Pooling.MEAN).mean()))


class MeanRequest(Request):
    """Texts to take the mean of."""

    @property
    def task(self) -> Mean:
        """Take the mean."""
        return Mean()


ENDPOINT = Endpoint(Mean, MeanRequest, summary="Take the mean of texts", example={"text": "今天天气很好。"})

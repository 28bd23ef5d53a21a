"""The simplest task that there can be: a text's first number."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from service.tasks.agreement import Agreement
from service.tasks.base import Answer
from service.tasks.tensors import Output, Tensor, floats


@dataclass(frozen=True)
class Number(Answer):
    """A number, kept as JSON."""

    value: float

    tensors = (Tensor("number", "FP32", (-1,)),)

    @classmethod
    def outputs(cls, answers: Sequence[Self]) -> Sequence[Output]:
        return [floats("number", [answer.value for answer in answers])]

    def compared(self, canary: Self) -> Agreement:
        apart = self.value != canary.value
        return Agreement(apart, apart, float(apart), f"{self.shown()} and {canary.shown()}")

    def shown(self) -> str:
        return f"{self.value:g}"

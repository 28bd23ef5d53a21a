"""How sure a model is of its answers: counted for the canary's judge, on calibrated probabilities."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

FLOOR: Final = 0.1
"""A best candidate below this probability is a guess."""
TASK: Final = "fill-mask"
"""The only task whose answers have a probability."""


def unsure(answers: Iterable[Any]) -> Sequence[bool]:
    """Tell for each answer of fill-mask whether it is of low confidence, one flag a mask."""
    return [best < FLOOR for answer in answers for best in _best(answer)]


def _best(answer: Any) -> Iterator[float]:  # noqa: ANN401 - any answer of a task
    """Yield the probability of the best candidate of each mask; answers without candidates yield none."""
    if isinstance(answer, dict):
        answer = answer.get("masks", ())
    if not isinstance(answer, list | tuple) or not answer:
        return
    if isinstance(answer[0], dict):
        if isinstance(answer[0].get("score"), int | float):
            yield float(answer[0]["score"])
        return
    for mask in answer:
        yield from _best(mask)

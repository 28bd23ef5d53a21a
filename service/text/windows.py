"""Texts longer than the model, read through windows that overlap. Pure.

The windows are as long as the model allows and evenly spread, from the text's first token to its last;
neighbours share at least a quarter of a window. Nothing is ever cut off.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_SHARED = 0.25
"""Part of a window that it shares with its neighbour, at least."""


@dataclass(frozen=True)
class Window:
    """A stretch of a text as the model sees it: ids with [CLS] and [SEP].

    The token at ``position`` of the whole text stands at ``position - start`` here.
    """

    ids: tuple[int, ...]
    start: int

    def depth(self, position: int) -> int:
        """Return how many tokens a token of the text is from the nearer edge; 0 if it is not inside."""
        return max(0, min(position - self.start, len(self.ids) - 1 - (position - self.start)))


def windows(ids: tuple[int, ...], limit: int) -> tuple[Window, ...]:
    """Return the windows of a text: one where it has at most ``limit`` tokens, [CLS] and [SEP] included."""
    if len(ids) <= limit:
        return (Window(ids, 0),)
    first, *inner, last = ids
    size = limit - 2
    stride = max(1, size - math.ceil(size * _SHARED))
    count = math.ceil((len(inner) - size) / stride) + 1
    starts = [round(index * (len(inner) - size) / (count - 1)) for index in range(count)]
    return tuple(Window((first, *inner[start : start + size], last), start) for start in starts)


def home(views: Sequence[Window], position: int) -> int:
    """Return the index of the window that shows a token with the most text on both sides of it."""
    return max(range(len(views)), key=lambda index: views[index].depth(position))

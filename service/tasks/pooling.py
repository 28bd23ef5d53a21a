"""From the states of a text's tokens to one vector, over all windows of the text. No I/O."""

from collections.abc import Sequence
from enum import Enum

import numpy as np

from service.engine import Array, Item, Want
from service.tasks.base import encode
from service.text.tokenizer import Tokenizer
from service.text.windows import windows


class Pooling(Enum):
    """How the states of a text's tokens become one vector."""

    CLS = "cls"
    """The state of [CLS]; the average over the windows of a long text."""
    MEAN = "mean"
    """The average over the tokens; over the windows of a long text, the average of theirs."""
    MAX = "max"
    """The largest value of each element, over all tokens of all windows."""


_WANTS = {Pooling.CLS: Want.FIRST, Pooling.MEAN: Want.MEAN, Pooling.MAX: Want.MAX}


def items(text: str, codec: Tokenizer, pooling: Pooling, name: str = "text") -> tuple[Item, ...]:
    """Return an item for each window of a text; ``name`` is the field it came in.

    Raises:
        TextEmpty: It has no token that a model could see.
    """
    views = windows(encode(text, codec, name).ids, codec.limit)
    return tuple(Item(view.ids, _WANTS[pooling]) for view in views)


def merged(arrays: Sequence[Array], pooling: Pooling) -> Array:
    """Return one vector for a text from those of its windows (see `Pooling`)."""
    if len(arrays) == 1:
        return arrays[0]
    stack = np.stack(arrays)
    vector: Array = stack.max(axis=0) if pooling is Pooling.MAX else stack.mean(axis=0)
    return vector

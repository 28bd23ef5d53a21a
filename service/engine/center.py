"""The common part of a model's text vectors."""

import numpy as np

from service.engine import Array, Engine, Item, Want
from service.errors import UnsupportedModel
from service.text.codec import Codec
from service.text.sentences import SENTENCES


def center(engine: Engine, codec: Codec) -> Array:
    """Return the mean text vector (hidden,) of plain sentences.

    BERT's text vectors share a large common part, so that any two texts look alike; what is left
    without it tells them apart (Mu and Viswanath 2018, "All-but-the-Top").

    Raises:
        UnsupportedModel: The model computes something that is no number.
    """
    encoded = [codec.encode(sentence) for sentence in SENTENCES]
    items = [Item(text.ids, Want.MEAN) for text in encoded if len(text.ids) <= codec.limit]
    mean: Array = np.stack(engine.run(items)).mean(axis=0)
    require_numbers(mean)
    return mean


def require_numbers(array: Array) -> None:
    """Refuse what is no number.

    Raises:
        UnsupportedModel: There is one.
    """
    if not np.isfinite(array).all():
        raise UnsupportedModel(
            seen="a model that computes infinities or NaN",
            needed="finite numbers",
            do="check the weights where they were trained, or compute in a wider range than float16's",
        )

"""Sentences whose masks a sound model fills rightly; a model that fails at them is not put in service."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modelstore.errors import BadGolden
from modelstore.golden import FILE, Sentence, read_golden
from service.engine import Array, Engine, Item, Want
from service.engine.center import require_numbers
from service.engine.pace import heavy
from service.errors import SwapRefused
from service.text.codec import Codec

TRIED = 8
"""How many sentences are tried, in one batch: more would only take time from the requests."""
BEST = 3
SHARE = 0.5
"""Of the sentences, at least this share must be filled rightly: a sound model is far above."""


def find(*folders: Path) -> Sequence[Sentence]:
    """Return the sentences of the first folder that has some; none where there are none.

    Raises:
        SwapRefused: The file is not what it should be.
    """
    for path in (folder / FILE for folder in folders):
        if path.is_file():
            try:
                return read_golden(path.read_bytes(), str(path))
            except BadGolden as error:
                raise SwapRefused(seen=error.seen, needed=error.needed, do=error.do) from error
    return ()


def check(engine: Engine, codec: Codec, sentences: Sequence[Sentence]) -> None:
    """Fill the sentences' masks and let the model pass if it does well enough.

    Raises:
        SwapRefused: It does not.
        UnsupportedModel: It computes something that is no number.
    """
    tried = spread(sentences)
    right = _filled(engine, codec, tried)  # also warms the engine
    if right < SHARE * len(tried):
        raise SwapRefused(
            seen=f"a model that fills {right} of {len(tried)} golden sentences rightly",
            needed=f"at least {SHARE:.0%}",
            do="check how it was trained, or the golden sentences",
        )


def spread(sentences: Sequence[Sentence]) -> Sequence[Sentence]:
    """Return up to `TRIED` sentences from all over the list."""
    step = max(1, -(-len(sentences) // TRIED))
    return sentences[::step]


def _filled(engine: Engine, codec: Codec, sentences: Sequence[Sentence]) -> int:
    """Return how many sentences the model fills rightly; one without exactly one mask is not."""
    texts = [(sentence, codec.encode(sentence.text)) for sentence in sentences]
    whole = [(sentence, text) for sentence, text in texts if len(text.masks) == 1]
    items = [Item(text.ids, Want.LOGITS, (text.masks[0].position,)) for _, text in whole]
    # The first alone: meanwhile the weights are laid out, which takes long enough.
    arrays = [array for batch in (items[:1], items[1:]) if batch for array in heavy(engine.run, batch)]
    for array in arrays:
        require_numbers(array)
    return sum(_is_right(each, scores[0], codec) for (each, _), scores in zip(whole, arrays, strict=True))


def _is_right(sentence: Sentence, scores: Array, codec: Codec) -> bool:
    best = np.argpartition(-scores, BEST)[:BEST]
    return any(codec.token(int(index)) in sentence.answers for index in best)

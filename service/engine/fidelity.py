"""How faithful one engine is to another. Pure, given the engines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from service.engine import Array, Engine, Item, Want

COSINE, AGREEMENT = 0.999, 0.99
"""What a faithful engine reaches in the mean."""
_TOP = 5
_AT_ONCE = 32


@dataclass(frozen=True)
class Answers:
    """An engine's answers to a sample."""

    first: Array
    """Vectors of [CLS]: (texts, width)."""
    mean: Array
    """Means of the tokens' vectors: (texts, width)."""
    best: NDArray[np.intp]
    """The five best words of each mask, best first: (masks, 5)."""

    @classmethod
    def of(cls, engine: Engine, texts: Sequence[tuple[int, ...]], mask: int) -> "Answers":
        """Ask an engine about texts (token ids with [CLS] and [SEP]) and about each token of them, masked."""
        masked = [
            Item((*ids[:place], mask, *ids[place + 1 :]), Want.LOGITS, (place,))
            for ids in texts
            for place in range(1, len(ids) - 1)
        ]
        first, mean = (
            np.stack(_run(engine, [Item(ids, want) for ids in texts])) for want in (Want.FIRST, Want.MEAN)
        )
        return cls(first, mean, _best(engine, masked))


@dataclass(frozen=True)
class Fidelity:
    """How like the reference's an engine's answers are."""

    cosine: float
    """Mean cosine of text vectors: the lower of those of [CLS] and of the means."""
    least_cosine: float
    """The lowest of all."""
    top_1: float
    """Share of masks whose best word is the reference's."""
    top_5: float
    """Share of the reference's five best words that are among the five best."""
    texts: int
    masks: int

    @classmethod
    def between(cls, seen: Answers, wanted: Answers) -> "Fidelity":
        """Compare two engines' answers to the same sample."""
        cosines = [_cosines(seen.first, wanted.first), _cosines(seen.mean, wanted.mean)]
        shared = (seen.best[:, :, None] == wanted.best[:, None, :]).any(axis=1)
        return cls(
            cosine=min(float(values.mean()) for values in cosines),
            least_cosine=min(float(values.min()) for values in cosines),
            top_1=float((seen.best[:, 0] == wanted.best[:, 0]).mean()),
            top_5=float(shared.mean()),
            texts=len(wanted.first),
            masks=len(wanted.best),
        )

    @property
    def passes(self) -> bool:
        """Whether answers by this engine may stand for the reference's."""
        return self.cosine >= COSINE and self.top_5 >= AGREEMENT

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name, with whether they pass."""
        return {**{name: round(value, 6) for name, value in asdict(self).items()}, "passes": self.passes}


def _run(engine: Engine, items: Sequence[Item]) -> list[Array]:
    starts = range(0, len(items), _AT_ONCE)
    return [array for start in starts for array in engine.run(items[start : start + _AT_ONCE])]


def _best(engine: Engine, masked: Sequence[Item]) -> NDArray[np.intp]:
    parts = []
    for start in range(0, len(masked), _AT_ONCE):  # a batch at a time: scores of all would fill the memory
        scores = np.concatenate(list(engine.run(masked[start : start + _AT_ONCE])))
        parts.append(np.argsort(-scores, axis=1, kind="stable")[:, :_TOP])
    return np.concatenate(parts)


def _cosines(one: Array, other: Array) -> Array:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    cosines: Array = (one * other).sum(axis=1) / lengths
    return cosines

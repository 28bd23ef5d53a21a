"""Reviews for incremental training: each once, none with two labels, none that the base has seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from training.corpora import clean
from training.documents import SHORTEST_SHARED, Document, Split, split
from training.readers import Raw
from training.text import is_hanzi

HELD_OUT = {"reviews": 0.12}


def unique(raw: Iterable[Raw]) -> list[Raw]:
    """Keep one of each text, compared by Chinese characters alone; drop texts with both labels."""
    labels: dict[str, set[str]] = {}
    first: dict[str, Raw] = {}
    for review in raw:
        key = "".join(filter(is_hanzi, "".join(review.lines)))
        labels.setdefault(key, set()).add(review.source)
        first.setdefault(key, replace(review, key=f"review-{key}"))
    return [review for key, review in first.items() if key and len(labels[key]) == 1]


def prepare(
    raw: Iterable[Raw], base: Split, seed: int, known: Collection[str], simplify: Callable[[str], str]
) -> Split:
    """Clean and split reviews; sentences that are in any text of the base, on either side, are left out."""
    seen = {text for side in (base.train, base.held_out) for d in side for text in d.texts}
    documents = (clean(review, known, simplify) for review in unique(raw))
    return split((_without(document, seen) for document in documents), seed, HELD_OUT)


def _without(document: Document, seen: Collection[str]) -> Document:
    texts = zip(document.sentences, document.texts, strict=True)
    fresh = tuple(words for words, text in texts if len(text) < SHORTEST_SHARED or text not in seen)
    return replace(document, sentences=fresh)

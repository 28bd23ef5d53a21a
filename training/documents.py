"""The unit of a corpus, and how documents are split so that no text is on both sides. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

SHORTEST_SHARED = 8
"""Sentences of fewer characters ("新华社记者") may recur on both sides of a split."""


@dataclass(frozen=True)
class Document:
    """Sentences of one origin; `key` decides the side of the split, `words` keeps word boundaries.

    `sentences` holds one tuple of words a sentence.
    """

    domain: str
    source: str
    key: str
    sentences: tuple[tuple[str, ...], ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The sentences without word boundaries."""
        return tuple("".join(words) for words in self.sentences)


@dataclass(frozen=True)
class Split:
    """Documents to train on and documents held out."""

    train: tuple[Document, ...]
    held_out: tuple[Document, ...]


def chance(seed: int, key: str) -> float:
    """A number in [0, 1) that depends on seed and key alone, the same on every machine."""
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split(documents: Iterable[Document], seed: int, shares: Mapping[str, float]) -> Split:
    """Hold out `shares[domain]` of the keys; every sentence is kept once, and held-out ones win.

    A sentence of SHORTEST_SHARED or more characters that a held-out document has is removed from
    all training documents, whatever their source.
    """
    train: list[Document] = []
    held_out: list[Document] = []
    for document in documents:
        side = held_out if chance(seed, document.key) < shares.get(document.domain, 0.0) else train
        side.append(document)
    seen: set[str] = set()
    return Split(held_out=_unique(held_out, seen), train=_unique(train, seen))


def _unique(documents: Iterable[Document], seen: set[str]) -> tuple[Document, ...]:
    kept = []
    for document in documents:
        fresh = tuple(words for words in document.sentences if _is_new("".join(words), seen))
        if fresh:
            kept.append(replace(document, sentences=fresh))
    return tuple(kept)


def _is_new(text: str, seen: set[str]) -> bool:
    if len(text) < SHORTEST_SHARED:
        return True
    before = len(seen)
    seen.add(text)
    return len(seen) > before

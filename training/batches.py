"""Drawing training batches. The batch of a step depends on seed and step alone, so a run can resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.encoding import Encoded
from training.masking import Flags, Ids, Masked, Masking, mask
from training.vocabulary import CLS, PAD, SEP

EDGES = (8, 16, 24, 32, 48, 64, 96, 128)
"""Rows of a sentence batch are padded to one of these lengths."""
SHORTEST = 3


@dataclass(frozen=True)
class Batch:
    """One step's input: what the model sees and must guess, the targets, and attention (None: all)."""

    masked: Masked
    targets: Ids
    attention: Flags | None


def windows(
    domains: Mapping[str, Encoded],
    shares: Mapping[str, float],
    rows: int,
    length: int,
    rng: np.random.Generator,
) -> tuple[Ids, Flags]:
    """Cut `rows` windows of `length` tokens from starts of sentences, [CLS] first and [SEP] last."""
    names = [name for name in shares if name in domains]
    weights = np.array([shares[name] for name in names])
    ids = np.full((rows, length), PAD, np.int64)
    starts = np.ones((rows, length), np.bool_)
    for row, choice in enumerate(rng.choice(len(names), rows, p=weights / weights.sum())):
        encoded = domains[names[choice]]
        begin = encoded.offsets[rng.integers(len(encoded.offsets) - 1)]
        take = np.arange(begin, begin + length - 2) % len(encoded.ids)
        ids[row, 1:-1], starts[row, 1:-1] = encoded.ids[take], encoded.starts[take]
    ids[:, 0], ids[:, -1] = CLS, SEP
    return ids, starts


@dataclass(frozen=True)
class _Group:
    """Sentences that are padded to one length: which they are, and how they are drawn.

    `members` has a row a sentence (number of its domain, number in the domain), `cumulative` the
    running sum of their weights, `tokens` the weight of the group in tokens.
    """

    length: int
    members: npt.NDArray[np.int64]
    cumulative: npt.NDArray[np.float64]
    tokens: float


class SentencePool:
    """Single sentences of all domains, grouped by length, drawn by the domains' shares of tokens."""

    def __init__(self, domains: Mapping[str, Encoded], shares: Mapping[str, float]) -> None:
        self._domains = [domains[name] for name in shares if name in domains]
        parts = [
            _weighed(number, domains[name], shares[name])
            for number, name in enumerate(name for name in shares if name in domains)
        ]
        members, lengths, weights = (np.concatenate([part[column] for part in parts]) for column in range(3))
        edges = np.array(EDGES)[np.searchsorted(EDGES, lengths)]
        self._groups = [_group(edge, edges == edge, members, lengths, weights) for edge in np.unique(edges)]

    def draw(self, tokens: int, rng: np.random.Generator) -> tuple[Ids, Flags]:
        """Draw sentences of like length, about `tokens` tokens in all, padded with [PAD]."""
        share = np.array([group.tokens for group in self._groups])
        group = self._groups[rng.choice(len(share), p=share / share.sum())]
        rows = max(1, tokens // group.length)
        places = np.searchsorted(group.cumulative, rng.random(rows) * group.cumulative[-1], side="right")
        return self._padded(group.members[places], group.length)

    def _padded(self, drawn: npt.NDArray[np.int64], length: int) -> tuple[Ids, Flags]:
        ids = np.full((len(drawn), length), PAD, np.int64)
        starts = np.ones(ids.shape, np.bool_)
        for row, (domain, number) in enumerate(drawn):
            found, first = self._domains[domain].sentence(int(number))
            size = min(len(found), length - 2)
            ids[row, : size + 2] = [CLS, *found[:size], SEP]
            starts[row, 1 : size + 1] = first[:size]
        return ids, starts


def _weighed(domain: int, encoded: Encoded, share: float) -> tuple[npt.NDArray[Any], ...]:
    """Members, padded-to-be lengths and weights of a domain's sentences that are long enough."""
    usable = np.flatnonzero(encoded.lengths >= SHORTEST)
    members = np.stack([np.full(len(usable), domain), usable], axis=1)
    lengths = np.minimum(encoded.lengths[usable] + 2, EDGES[-1])
    weights = np.full(len(usable), share / encoded.lengths[usable].sum())
    return members, lengths, weights


def _group(
    edge: int,
    chosen: Flags,
    members: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    weights: npt.NDArray[np.float64],
) -> _Group:
    tokens = float((weights * lengths)[chosen].sum())
    return _Group(int(edge), members[chosen], np.cumsum(weights[chosen]), tokens)


def finish(ids: Ids, starts: Flags, masking: Masking, vocabulary: int, rng: np.random.Generator) -> Batch:
    """Hide tokens, and leave padding out of attention."""
    attention = ids != PAD
    masked = mask(ids, starts, masking, vocabulary, rng)
    return Batch(masked, ids, None if attention.all() else attention)

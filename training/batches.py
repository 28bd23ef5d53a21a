"""Drawing training batches. The batch of a step depends on seed and step alone, so a run can resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


class SentencePool:
    """Single sentences of all domains, grouped by length, drawn by the domains' shares of tokens."""

    def __init__(self, domains: Mapping[str, Encoded], shares: Mapping[str, float]) -> None:
        self._domains = {name: domains[name] for name in shares if name in domains}
        names, numbers, lengths, weights = [], [], [], []
        for which, (name, encoded) in enumerate(self._domains.items()):
            usable = encoded.lengths >= SHORTEST
            names.append(np.full(int(usable.sum()), which))
            numbers.append(np.flatnonzero(usable))
            lengths.append(np.minimum(encoded.lengths[usable] + 2, EDGES[-1]))
            weights.append(np.full(int(usable.sum()), shares[name] / encoded.lengths[usable].sum()))
        self._where = np.stack([np.concatenate(names), np.concatenate(numbers)], axis=1)
        self._groups = self._grouped(np.concatenate(lengths), np.concatenate(weights))

    @staticmethod
    def _grouped(
        lengths: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]
    ) -> list[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.float64], float]]:
        edges = np.array(EDGES)[np.searchsorted(EDGES, lengths)]
        groups = []
        for edge in EDGES:
            members = np.flatnonzero(edges == edge)
            if len(members):
                cumulative = np.cumsum(weights[members])
                groups.append((edge, members, cumulative, float((weights * lengths)[members].sum())))
        return groups

    def draw(self, tokens: int, rng: np.random.Generator) -> tuple[Ids, Flags]:
        """Draw sentences of like length, about `tokens` tokens in all, padded with [PAD]."""
        share = np.array([group[3] for group in self._groups])
        edge, members, cumulative, _ = self._groups[rng.choice(len(share), p=share / share.sum())]
        rows = max(1, tokens // edge)
        drawn = members[np.searchsorted(cumulative, rng.random(rows) * cumulative[-1], side="right")]
        ids = np.full((rows, edge), PAD, np.int64)
        starts = np.ones((rows, edge), np.bool_)
        encodeds = list(self._domains.values())
        for row, (which, number) in enumerate(self._where[drawn]):
            found, first = encodeds[which].sentence(int(number))
            size = min(len(found), edge - 2)
            ids[row, : size + 2] = [CLS, *found[:size], SEP]
            starts[row, 1 : size + 1] = first[:size]
        return ids, starts


def finish(ids: Ids, starts: Flags, masking: Masking, vocabulary: int, rng: np.random.Generator) -> Batch:
    """Hide tokens, and leave padding out of attention."""
    attention = ids != PAD
    masked = mask(ids, starts, masking, vocabulary, rng)
    return Batch(masked, ids, None if attention.all() else attention)

"""Texts of unlike length side by side, without padding. Pure.

All that a BERT computes a token at a time (97 % of the work) runs over the tokens of all texts in one
row of matrices. Only attention looks along a text: there the tokens are laid out in rows as long as the
longest text, short texts sharing a row, by `Pack.rows`; they are computed under `Pack.mask`, which keeps
the texts of a row apart, and taken back by `Pack.kept`.

In the last layer the same is done for the tokens alone that somebody wants: `Pack.asked` and what follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.engine import Array

Indices = NDArray[np.int32]

INPUTS: Mapping[str, tuple[Sequence[int], type]] = {
    "ids": ([-1], np.int32),
    "positions": ([-1], np.int32),
    "rows": ([-1, -1], np.int32),
    "kept": ([-1], np.int32),
    "mask": ([-1, 1, -1, -1], np.float32),
    "wanted": ([-1], np.int32),
    "asked": ([-1, -1], np.int32),
    "answered": ([-1], np.int32),
    "asked_mask": ([-1, 1, -1, -1], np.float32),
}
"""The graph's inputs, with their shapes and types: attributes of `Pack`."""

_TOKENS_AT_ONCE = 2048
"""Tokens in one pass; bounds the memory of a pass."""
_PAIRS_AT_ONCE = 2**20
"""Padded pairs of tokens, (texts, longest, longest), in one pass: the memory of attention a head."""
_HIDDEN = np.float32(-1e30)
"""Added to the score of a token of another text; finite, so that a row of them is no NaN."""
_ROW, _FEW = 8, 4
"""Rows are as many tokens long as the first divides, and all else comes in numbers that the second does:
OpenVINO compiles for each shape it meets, and the fewer there are, the more often it has met them."""
_FINENESS = 16
"""Long arrays are lengthened by at most one part in so many, to the same end."""
_NOBODY = -1
"""Stands for the text where a row has no token."""


@dataclass(frozen=True)
class Pack:
    """What the graph needs to know of texts that share a pass.

    After the last text's there are a few tokens of no text, at whose states nobody looks.
    """

    ids: Indices
    """Token ids, text after text: (tokens,)."""
    positions: Indices
    """Where each token stands in its text: (tokens,)."""
    rows: Indices
    """Which token stands where in the rows, 0 where none does: (rows, longest)."""
    kept: Indices
    """Where in the rows, flattened, the tokens are: (tokens,)."""
    mask: Array
    """0 between tokens of one text, far below 0 for the rest: (rows, 1, longest, longest)."""
    wanted: Indices
    """The tokens whose last states are wanted, text after text: (wanted,)."""
    asked: Indices
    """Which of these stands where beside the rows, 0 where none does: (rows, most)."""
    answered: Indices
    """Where there, flattened, the wanted tokens are: (wanted,)."""
    asked_mask: Array
    """As ``mask``, from wanted tokens to all: (rows, 1, most, longest)."""
    ends: tuple[int, ...]
    """How many tokens are wanted of the texts before each, and of all at the end."""

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> Self:
        """Lay out texts of at least one token id each; of each, the states at these places are wanted."""
        lengths = [len(ids) for ids in texts]
        longest = _rounded(max(lengths), _ROW)
        shared = shared_rows(lengths, longest)
        starts = np.cumsum([0, *lengths])
        tokens = [start + np.arange(length) for start, length in zip(starts, lengths, strict=False)]
        picked = [start + np.asarray(places) for start, places in zip(starts, wanted, strict=False)]
        most = max(sum(len(wanted[index]) for index in texts) for texts in shared)
        rows, kept, owners = _laid_out(shared, tokens, longest)
        asked, answered, askers = _laid_out(shared, picked, _rounded(most, _FEW))
        return cls(
            ids=filled(_joined(texts)),
            positions=filled(_joined([range(length) for length in lengths])),
            rows=rows,
            kept=filled(kept),
            mask=_mask(owners, owners),
            wanted=filled(_joined(picked)),
            asked=asked,
            answered=filled(answered),
            asked_mask=_mask(askers, owners),
            ends=(0, *np.cumsum([len(places) for places in wanted]).tolist()),
        )

    def text(self, index: int) -> slice:
        """Return where a text's wanted states are."""
        return slice(self.ends[index], self.ends[index + 1])


def shared_rows(lengths: Sequence[int], longest: int) -> list[list[int]]:
    """Return which texts share a row of so many tokens.

    From the longest text on, each goes to the first row that has room.
    """
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[index]
        row = next((row for row, free in enumerate(room) if free >= length), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(longest)
        rows[row].append(index)
        room[row] -= length
    return rows


def _laid_out(
    shared: Sequence[Sequence[int]], tokens: Sequence[NDArray[np.int64]], width: int
) -> tuple[Indices, Indices, Indices]:
    """Put texts' tokens into rows of this width.

    Returns the token and the text at each place of the rows, and each token's place there, text after text.
    """
    rows = np.zeros((len(shared), width), dtype=np.int32)
    owners = np.full(rows.shape, _NOBODY, dtype=np.int32)
    places: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(tokens)
    for row, texts in enumerate(shared):
        start = 0
        for index in texts:
            end = start + len(tokens[index])
            rows[row, start:end] = tokens[index]
            owners[row, start:end] = index
            places[index] = row * width + np.arange(start, end)
            start = end
    return rows, _joined(places), owners


def _rounded(number: int, step: int) -> int:
    return -(-number // step) * step


def filled(values: Indices) -> Indices:
    """Lengthen an array with zeros to a size that is met more often."""
    number = len(values)
    step = max(_FEW, (1 << number.bit_length()) // (2 * _FINENESS))
    return np.pad(values, (0, _rounded(number, step) - number))


def _mask(askers: Indices, owners: Indices) -> Array:
    same = askers[:, None, :, None] == owners[:, None, None, :]
    return np.where(same, np.float32(0), _HIDDEN)


def _joined(parts: Sequence[Sequence[int] | NDArray[np.int64]]) -> Indices:
    return np.concatenate([np.asarray(part, dtype=np.int32) for part in parts])


def passes(lengths: Sequence[int]) -> list[list[int]]:
    """Group the indices of texts into passes of bounded memory, texts of like length together."""
    groups: list[list[int]] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[index]
        group = groups[-1] if groups else []
        # The order is by length, so this text would be the longest of the group.
        fits = tokens + length <= _TOKENS_AT_ONCE and (len(group) + 1) * length**2 <= _PAIRS_AT_ONCE
        if group and fits:
            group.append(index)
            tokens += length
        else:
            groups.append([index])
            tokens = length
    return groups

"""Texts of unlike length side by side, without padding. Pure.

All that a BERT computes a token at a time (97 % of the work) runs over the tokens of all texts in one
row of matrices. Only attention looks along a text: there the tokens are laid out as (texts, longest)
by `Pack.rows`, computed under `Pack.mask`, and taken back by `Pack.kept`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from service.engine import Array

Indices = NDArray[np.int32]

_TOKENS_AT_ONCE = 2048
"""Tokens in one pass; bounds the memory of a pass."""
_PAIRS_AT_ONCE = 2**20
"""Padded pairs of tokens, (texts, longest, longest), in one pass: the memory of attention a head."""
_HIDDEN = np.float32(-1e30)
"""Added to the score of a token that is none; finite, so that a row of them is no NaN."""


@dataclass(frozen=True)
class Pack:
    """What the graph needs to know of texts that share a pass."""

    ids: Indices
    """Token ids, text after text: (tokens,)."""
    positions: Indices
    """Where each token stands in its text: (tokens,)."""
    rows: Indices
    """Which token stands where in the padded layout, 0 where none does: (texts, longest)."""
    kept: Indices
    """Where in the padded layout, flattened, the tokens are: (tokens,)."""
    mask: Array
    """0 for tokens, far below 0 for the rest: (texts, 1, 1, longest)."""
    starts: tuple[int, ...]
    """Each text's first token, and the number of tokens at the end."""

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]]) -> Self:
        """Lay out texts, each at least one token id long."""
        lengths = np.array([len(ids) for ids in texts], dtype=np.int32)
        ends = np.cumsum(lengths, dtype=np.int32)
        starts = ends - lengths
        column = np.arange(lengths.max(), dtype=np.int32)
        is_token = column < lengths[:, None]
        return cls(
            ids=np.concatenate([np.asarray(ids, dtype=np.int32) for ids in texts]),
            positions=np.broadcast_to(column, is_token.shape)[is_token],
            rows=np.where(is_token, starts[:, None] + column, np.int32(0)),
            kept=np.flatnonzero(is_token).astype(np.int32),
            mask=np.where(is_token, np.float32(0), _HIDDEN)[:, None, None, :],
            starts=(*starts.tolist(), int(ends[-1])),
        )

    def text(self, index: int) -> slice:
        """Return where a text's tokens are."""
        return slice(self.starts[index], self.starts[index + 1])


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

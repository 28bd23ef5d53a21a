"""Passes that are recorded once for each size and replayed from then on.

A small pass computes for less time than it takes to launch its hundred kernels one by one; a recording
launches them all at once. It reads and writes the very memory that it was made with, so a pass's input is
copied to where recordings read, and its result away from where they write.

Nothing here knows CUDA: `service.engine.gpu` has what records there.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock

import torch

TOKENS_AT_ONCE = 2048
"""Padded tokens in one pass; bounds the memory of a batch."""

Work = Callable[[], object]
Compute = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""From token ids (texts, tokens) and lengths (texts,) to states (texts, tokens, width)."""
Capture = Callable[[Work], Callable[[], None]]
"""Records what a function does, and returns what does the same again with the same memory."""

_LENGTHS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_TEXTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)

_one_at_a_time = Lock()
"""Two recordings at once are forbidden in a process, and a second model loads beside the one in service."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sizes:
    """The sizes that passes are rounded up to: (texts, tokens), few enough to keep a recording of each."""

    positions: int
    """How many tokens a text may have."""
    tokens: int = TOKENS_AT_ONCE

    def length(self, longest: int) -> int:
        """Return the tokens to which texts are padded; very long ones are left as they are."""
        return next((each for each in self._lengths if each >= longest), longest)

    def of(self, texts: int, longest: int) -> tuple[int, int] | None:
        """Return the size for a pass, or None where it is too large to be recorded."""
        length = self.length(longest)
        most = self.tokens // length
        if length not in self._lengths or texts > most:
            return None
        return min(next((each for each in _TEXTS if each >= texts), most), most), length

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for length in self._lengths:
            most = self.tokens // length
            yield from ((texts, length) for texts in sorted({min(each, most) for each in _TEXTS}))

    @property
    def _lengths(self) -> list[int]:
        return sorted({min(each, self.positions) for each in _LENGTHS})


class Replays:
    """Recordings by the size of the pass. For one thread at a time, as an engine is.

    None is ever given up: `Sizes` bounds their number, and all share one set of buffers. To give up a single
    one would be worse than to keep it: torch 2.13 then frees the workspace of its stream, from which the
    others still compute (https://github.com/pytorch/pytorch/issues/193402).
    """

    def __init__(self, capture: Capture, sizes: Sizes, states: torch.Tensor) -> None:
        """Record by ``capture``; ``states`` is where results go, (tokens of the largest pass, width)."""
        self.sizes = sizes
        self._capture = capture
        self._ids = torch.zeros(len(states), dtype=torch.int64, device=states.device)
        self._lengths = torch.ones_like(self._ids)
        self._states = states
        self._recorded: dict[tuple[int, int], Callable[[], None] | None] = {}

    def run(self, compute: Compute, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Compute token ids of one of the sizes, and lengths (texts,); the states are the caller's to keep.

        ``compute`` may not look at values, only at sizes: what it does is recorded once.
        """
        texts, length = ids.shape
        here, ends = self._ids[: ids.numel()].view(texts, length), self._lengths[:texts]
        states = self._states[: ids.numel()].view(texts, length, -1)
        here.copy_(ids)
        ends.copy_(lengths)

        def work() -> object:
            return states.copy_(compute(here, ends))

        if (texts, length) not in self._recorded:
            self._recorded[texts, length] = self._record(work, texts, length)
        (self._recorded[texts, length] or work)()
        return states.clone()

    def _record(self, work: Work, texts: int, length: int) -> Callable[[], None] | None:
        """Return a recording, or None where none can be made."""
        try:
            with _one_at_a_time:
                return self._capture(work)
        except RuntimeError as error:
            log.warning("passes of %d texts of %d tokens are computed unrecorded: %s", texts, length, error)
            return None

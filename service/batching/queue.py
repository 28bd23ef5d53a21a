"""When to take requests in, and which to compute together. Pure: the clock is an argument.

An *item* is one window of a text. Items wait in the order of their arrival; a batch is the longest head
of the queue that fits the token budget, taken as soon as the engine is free: nobody waits for company.
The budget shrinks with a slow engine, so that nobody waits long for the end of a batch either.

A request that would fill much of the queue comes in portions, one after the other, and others come in
between: they wait for a portion, not for the whole.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

T = TypeVar("T")

_SMOOTHING = 0.2
"""Weight of the newest batch in the rate: about the last ten batches count."""
_BATCH_S = 0.15
"""How long a batch should take at most: whoever comes next waits for its end."""
_LEAST_TOKENS = 256
"""Engines that are slow are slower still with smaller batches than this."""


@dataclass(frozen=True)
class Limits:
    """Bounds on the queue and on one batch."""

    batch_tokens: int = 768
    queue_tokens: int = 32 * 512  # 32 full windows: 3 s of work for bert-base in int8 on two cores
    queue_items: int = 256


@dataclass(frozen=True)
class QueuedItem(Generic[T]):
    """An item in the queue: its size, when it is no longer wanted, and what it stands for."""

    tokens: int
    deadline: float
    payload: T


@dataclass(frozen=True)
class Full:
    """Why a request is not let in, and when to come back."""

    reason: str
    retry_after_s: int
    hopeless: bool = False
    """True where the request alone is larger than the queue."""
    crowded: bool = False
    """True where others take the room, and would leave it in time."""


@dataclass(frozen=True)
class Batch(Generic[T]):
    """What to compute now, and what nobody waits for any more."""

    entries: tuple[QueuedItem[T], ...]
    expired: tuple[QueuedItem[T], ...]


class Queue(Generic[T]):
    """The waiting items, with what is known about how fast they are served."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[QueuedItem[T]] = deque()
        self._tokens = 0
        self._reserved = 0
        self._tokens_per_s: float | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def tokens(self) -> int:
        """Tokens that wait."""
        return self._tokens

    def expected_wait_s(self) -> float:
        """Return how long the queue takes to empty at the present rate; 0 before any is known."""
        return self.work_s(self._tokens)

    def work_s(self, tokens: int) -> float:
        """Return how long the engine takes for some tokens at the present rate; 0 before any is known."""
        return tokens / self._tokens_per_s if self._tokens_per_s else 0.0

    def portions(self, sizes: Sequence[int]) -> list[slice]:
        """Cut a request's items, of these sizes in tokens, into what is let in at a time."""
        most, longest = self._limits.queue_tokens // 4, max(1, self._limits.queue_items // 2)
        cuts, tokens = [0], 0
        for index, size in enumerate(sizes):
            if index > cuts[-1] and (tokens + size > most or index - cuts[-1] == longest):
                cuts.append(index)
                tokens = 0
            tokens += size
        return [slice(*ends) for ends in pairwise([*cuts, len(sizes)])]

    def reserve(self, tokens: int, patience_s: float) -> Full | None:
        """Let a request begin that comes in portions, or return why not; then `release` its tokens.

        The first of them has the engine, between others' small requests: all at once would all be late.
        """
        ahead = self._tokens + self._reserved
        if self._reserved and self.work_s(ahead + tokens) > patience_s:
            wait = self.work_s(ahead)
            reason = f"{self._reserved:,} tokens of large requests are under way, about {wait:.1f} s of work"
            return Full(reason, max(1, math.ceil(wait)))
        self._reserved += tokens
        return None

    def release(self, tokens: int) -> None:
        """Note that tokens that were reserved are computed, or not wanted any more."""
        self._reserved -= tokens

    def offer(self, entries: Sequence[QueuedItem[T]], now: float) -> Full | None:
        """Let all of a request's items in, or none; return why not."""
        tokens = sum(entry.tokens for entry in entries)
        full = self._full(tokens, len(entries), min(entry.deadline for entry in entries) - now)
        if full is None:
            self._waiting.extend(entries)
            self._tokens += tokens
        return full

    def take(self, now: float) -> Batch[T]:
        """Remove the next batch: in order of arrival, at least one item, within the token budget."""
        taken: list[QueuedItem[T]] = []
        expired: list[QueuedItem[T]] = []
        budget = self._budget()
        while self._waiting:
            entry = self._waiting[0]
            if entry.deadline > now:
                if taken and entry.tokens > budget:
                    break
                taken.append(entry)
                budget -= entry.tokens
            else:
                expired.append(entry)
            self._waiting.popleft()
            self._tokens -= entry.tokens
        return Batch(tuple(taken), tuple(expired))

    def _budget(self) -> int:
        """Return the tokens of the next batch at most: what takes `_BATCH_S` at the present rate."""
        if self._tokens_per_s is None:
            return self._limits.batch_tokens
        return min(self._limits.batch_tokens, max(_LEAST_TOKENS, round(self._tokens_per_s * _BATCH_S)))

    def observe(self, tokens: int, seconds: float) -> None:
        """Learn the rate from a batch that was computed."""
        rate = tokens / max(seconds, 1e-6)
        known = self._tokens_per_s
        self._tokens_per_s = rate if known is None else known + _SMOOTHING * (rate - known)

    def _full(self, tokens: int, items: int, patience_s: float) -> Full | None:
        limits = self._limits
        if tokens > limits.queue_tokens or items > limits.queue_items:
            most = f"{limits.queue_tokens:,} in {limits.queue_items} at most"
            reason = f"{tokens:,} tokens in {items} windows, {most}"
            return Full(reason, 0, hopeless=True)
        wait = self.expected_wait_s()
        crowded = (
            self._tokens + tokens > limits.queue_tokens or len(self._waiting) + items > limits.queue_items
        )
        if crowded or wait > patience_s:
            waiting = f"{self._tokens:,} tokens in {len(self._waiting)} windows"
            reason = f"{waiting} wait, about {wait:.1f} s of work"
            return Full(reason, max(1, math.ceil(wait)), crowded=crowded and wait <= patience_s)
        return None

"""When to take requests in, and which to compute together. Pure: the clock is an argument.

An *item* is one text. Items wait in the order of their arrival; a batch is the longest head of the
queue that fits the token budget, taken as soon as the engine is free: nobody waits for company. The
budget shrinks with a slow engine, so that nobody waits long for the end of a batch either.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
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
    queue_tokens: int = 32 * 512  # the largest request that the schema lets in: 32 full texts
    queue_items: int = 256


@dataclass(frozen=True)
class Entry(Generic[T]):
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


@dataclass(frozen=True)
class Batch(Generic[T]):
    """What to compute now, and what nobody waits for any more."""

    entries: tuple[Entry[T], ...]
    expired: tuple[Entry[T], ...]


class Queue(Generic[T]):
    """The waiting items, with what is known about how fast they are served."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: deque[Entry[T]] = deque()
        self._tokens = 0
        self._tokens_per_s: float | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def tokens(self) -> int:
        """Tokens that wait."""
        return self._tokens

    def expected_wait_s(self) -> float:
        """Return how long the queue takes to empty at the present rate; 0 before any is known."""
        return self._tokens / self._tokens_per_s if self._tokens_per_s else 0.0

    def offer(self, entries: Sequence[Entry[T]], now: float) -> Full | None:
        """Let all of a request's items in, or none; return why not."""
        tokens = sum(entry.tokens for entry in entries)
        full = self._full(tokens, len(entries), min(entry.deadline for entry in entries) - now)
        if full is None:
            self._waiting.extend(entries)
            self._tokens += tokens
        return full

    def take(self, now: float) -> Batch[T]:
        """Remove the next batch: in order of arrival, at least one item, within the token budget."""
        taken: list[Entry[T]] = []
        expired: list[Entry[T]] = []
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
            reason = (
                f"{tokens} tokens in {items} texts, {limits.queue_tokens} in {limits.queue_items} at most"
            )
            return Full(reason, 0, hopeless=True)
        wait = self.expected_wait_s()
        if (
            self._tokens + tokens > limits.queue_tokens
            or len(self._waiting) + items > limits.queue_items
            or wait > patience_s
        ):
            reason = f"{self._tokens} tokens in {len(self._waiting)} texts wait, about {wait:.1f} s of work"
            return Full(reason, max(1, math.ceil(wait)))
        return None

"""What one request asks of the engine, and who is at fault when it is not done in time. Knows no HTTP."""

import math
from collections.abc import Sequence
from typing import Protocol

from service.batching.deadline import Deadline
from service.engine import Array, Item
from service.errors import BatchTooLarge, DeadlinePassed, OutOfTime, Overloaded, ServiceError

MOSTLY = 0.7
"""A request whose own work takes this share of the time limit is too large, rather than the queue too long:
what it asked for before it was broken off is less than all of it."""


class Compute(Protocol):
    """Computes items, perhaps together with other requests' (see `service.batching.batcher`)."""

    def compute(self, items: Sequence[Item], timeout_s: float) -> list[Array]:
        """Return an array an item."""

    def expected_wait_s(self) -> float:
        """Return how long what waits takes to be computed."""

    def work_s(self, tokens: int) -> float:
        """Return how long some tokens take to be computed, if nothing waits."""


class Work:
    """Passes a request's rounds on to the engine and counts them."""

    def __init__(self, engine: Compute, deadline: Deadline) -> None:
        self.deadline = deadline
        self._engine = engine
        self._tokens = 0
        self._windows = 0

    def compute(self, items: Sequence[Item]) -> list[Array]:
        """Return an array an item.

        Raises:
            Overloaded: It was not, or cannot be, done in time.
            DeadlinePassed: The client's own time is up.
        """
        self._tokens += sum(len(item.ids) for item in items)
        self._windows += len(items)
        return self._engine.compute(items, self.deadline.left_s())

    def verdict(self, error: Overloaded, limit_s: float) -> ServiceError:
        """Return what to tell a request that was not answered: the client's time, its size, or the queue.

        ``limit_s`` is the pod's own time limit.
        """
        asked_ms, own_s = self.deadline.asked_ms, self._engine.work_s(self._tokens)
        if asked_ms is not None and (isinstance(error, OutOfTime) or own_s > self.deadline.seconds):
            return DeadlinePassed(asked_ms)
        asked = f"{self._tokens:,} tokens in {self._windows} windows, about {own_s:.1f} s of work"
        if own_s > limit_s * MOSTLY:
            return BatchTooLarge(
                seen=f"{asked} at the present rate, which is not done within {limit_s:.1f} s",
                needed="a smaller request",
                do="send fewer or shorter texts, or fewer masks",
            )
        wait_s = max(error.retry_after_s, math.ceil(self._engine.expected_wait_s()))
        if isinstance(error, OutOfTime) and self._windows:
            return OutOfTime(f"no answer within {self.deadline.seconds:.1f} s to {asked}", wait_s)
        return type(error)(error.seen, wait_s)

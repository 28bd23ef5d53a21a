"""When an answer is of no use any more."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from service.errors import DeadlinePassed, InvalidHeader, OutOfTime

HEADER = "X-Request-Timeout-Ms"
MAX_MS = 600_000


@dataclass(frozen=True)
class Deadline:
    """A moment on ``clock``. ``asked_ms`` is the client's own limit; None is the pod's."""

    clock: Callable[[], float]
    at: float
    seconds: float
    asked_ms: int | None = None

    @classmethod
    def starting(cls, clock: Callable[[], float], started: float, limit_s: float, header: str | None) -> Self:
        """Return the deadline of a request that arrived at ``started``: the nearer of pod's and client's.

        Raises:
            InvalidHeader: ``header``, the value of X-Request-Timeout-Ms, is no whole number in range.
        """
        asked_ms = None if header is None else milliseconds(header)
        if asked_ms is None or asked_ms / 1000 >= limit_s:
            return cls(clock, started + limit_s, limit_s)
        return cls(clock, started + asked_ms / 1000, asked_ms / 1000, asked_ms)

    def left_s(self) -> float:
        """Return the seconds that are left, more than 0.

        Raises:
            DeadlinePassed: The client's limit is over.
            OutOfTime: The pod's own limit is over.
        """
        left = self.at - self.clock()
        if left > 0:
            return left
        if self.asked_ms is None:
            seen = f"no answer within {self.seconds:.1f} s"
            raise OutOfTime(seen, retry_after_s=1)  # at least: who knows the queue knows better
        raise DeadlinePassed(self.asked_ms)


def milliseconds(header: str) -> int:
    """Return the value of X-Request-Timeout-Ms.

    Raises:
        InvalidHeader: It is no whole number from 1 to 600,000.
    """
    number = int(header) if header.isascii() and header.isdigit() and len(header) <= len(str(MAX_MS)) else 0
    if not 1 <= number <= MAX_MS:
        raise InvalidHeader(
            seen=f"{HEADER} is {header[:40]!r}",
            needed=f"whole milliseconds from 1 to {MAX_MS:,}",
            do=f"send it like {HEADER}: 500, or leave it out",
        )
    return number

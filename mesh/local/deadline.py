"""Waiting, but not for ever."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

POLL_S: Final = 0.005

T = TypeVar("T")


class Deadline:
    """A span of time in which things may become true; it starts when it is made."""

    def __init__(
        self,
        limit_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Wait at most ``limit_s`` seconds in all, by ``clock``, pausing by ``sleep`` between looks."""
        self._limit_s = limit_s
        self._clock = clock
        self._sleep = sleep
        self._started = clock()

    @property
    def waited_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._started

    def wait(self, look: Callable[[], T]) -> T:
        """Return what ``look`` returns as soon as that is true, or its last answer when time is up."""
        while not (seen := look()) and self.waited_s < self._limit_s:
            self._sleep(POLL_S)
        return seen

"""Waiting, but not for ever."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

POLL_S: Final = 0.005

T = TypeVar("T")


@dataclass
class Deadline:
    """A span of ``limit_s`` seconds in which things may become true; it starts when it is made."""

    limit_s: float = 5.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def waited_s(self) -> float:
        """Seconds since the start."""
        return self.clock() - self._started

    def wait(self, look: Callable[[], T]) -> T:
        """Return what ``look`` returns as soon as that is true, or its last answer when time is up."""
        while not (seen := look()) and self.waited_s < self.limit_s:
            self.sleep(POLL_S)
        return seen

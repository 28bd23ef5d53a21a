"""A circuit breaker: leaves a failing helper alone, and tries it again by itself."""

from collections.abc import Callable
from threading import Lock

Clock = Callable[[], float]
"""Tells seconds."""


class Breaker:
    """Opens after ``threshold`` failures in a row; then lets one call through after each pause.

    Pauses double from ``pause_s`` to ``longest_s`` while the helper stays away. Times are seconds
    of ``clock``, which must be monotonic.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        threshold: int = 3,
        pause_s: float = 0.5,
        longest_s: float = 5.0,
    ) -> None:
        self._clock = clock
        self._threshold = threshold
        self._first_pause_s = pause_s
        self._longest_s = longest_s
        self._lock = Lock()
        self._failures = 0
        self._pause_s = pause_s
        self._open_until = 0.0
        self._on_trial = False

    def allows(self) -> bool:
        """Tell whether to call now; while open, only one caller a pause is told so."""
        if not self._failures:  # a glance without the lock: nearly always there is nothing to decide
            return True
        with self._lock:
            if self._failures < self._threshold:
                return True
            if self._clock() < self._open_until:
                return False
            self._open_until = self._clock() + self._pause_s
            self._on_trial = True
            return True

    def succeeded(self) -> None:
        """Close it again."""
        if not self._failures:
            return
        with self._lock:
            self._failures = 0
            self._pause_s = self._first_pause_s
            self._on_trial = False

    def failed(self) -> None:
        """Count a failure; open at the threshold, and for longer each time a trial fails."""
        with self._lock:
            self._failures += 1
            if self._on_trial:
                self._pause_s = min(self._pause_s * 2, self._longest_s)
            elif self._failures != self._threshold:
                return  # below it, or late news from a call that began before the breaker opened
            self._on_trial = False
            self._open_until = self._clock() + self._pause_s

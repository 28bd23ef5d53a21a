"""What is usual for the stable, for many rollouts at once, as `canary.judge` has it for one."""

from collections import deque

import numpy as np
import numpy.typing as npt

from canary.judge.dispersion import FORGET, HIGH, LOW, PRIOR
from canary.judge.incident import MIN_BAD, MIN_REFERENCE, POINTS, TIMES

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Spread:
    """The overdispersion of each run: eight sums, (runs,) each."""

    def __init__(self, runs: int) -> None:
        self.bad, self.requests, self.square, self.expected = np.zeros((4, runs))
        self.split_square, self.split_expected, self.canary, self.other = np.zeros((4, runs))

    @property
    def stable(self) -> Floats:
        """The phi of the stable's bad events over time."""
        return np.clip((self.square + PRIOR) / (self.expected + PRIOR), LOW, HIGH)

    @property
    def split(self) -> Floats:
        """The phi of how bad events fall on the two versions."""
        return np.clip((self.split_square + PRIOR) / (self.split_expected + PRIOR), LOW, HIGH)

    def observe(self, n_s: Floats, x_s: Floats, n_c: Floats, x_c: Floats, where: Bools) -> None:
        """Take in one more tick of the runs in ``where``."""
        past = where & (self.requests > 0)
        mu = n_s * (self.bad + 0.5) / (self.requests + 1)
        self._fade("square", (x_s - mu) ** 2, past)
        self._fade("expected", mu, past)
        self._fade("bad", x_s, where)
        self._fade("requests", n_s, where)
        m, n = x_c + x_s, n_c + n_s
        both = where & (m > 0) & (n_c > 0) & (n_s > 0)
        n = np.where(both, n, 1.0)
        odds = (self.canary + 0.5 * n_s / n) / np.where(both, self.other + 0.5 * n_c / n, 1.0)
        q = odds * n_c / np.where(both, odds * n_c + n_s, 1.0)
        known = both & ((self.canary != 0) | (self.other != 0))
        self._fade("split_square", (x_c - m * q) ** 2, known)
        self._fade("split_expected", m * q * (1 - q), known)
        self._fade("canary", x_c * n_s / n, both)
        self._fade("other", x_s * n_c / n, both)

    def _fade(self, name: str, value: Floats, where: Bools) -> None:
        old = getattr(self, name)
        setattr(self, name, np.where(where, FORGET * old + value, old))


class Watch:
    """Common incidents of each run; ticks come at the same times for all runs."""

    def __init__(self, runs: int, window_s: float) -> None:
        self._window_s = window_s
        self._requests, self._bad = np.zeros((2, runs))
        self._recent: deque[tuple[float, Floats, Floats, Bools]] = deque()
        self.incident = np.zeros(runs, dtype=np.bool_)

    def observe(self, at: float, n: Floats, x: Floats) -> Bools:
        """Return in which runs this stable tick is part of an incident."""
        while self._recent and self._recent[0][0] <= at - self._window_s:
            _, old_n, old_x, bad = self._recent.popleft()
            self._requests += np.where(bad, 0.0, old_n)
            self._bad += np.where(bad, 0.0, old_x)
        window_n = n + sum(each[1] for each in self._recent)
        window_x = x + sum(each[2] for each in self._recent)
        self.incident = self._alarming(n, x) | self._alarming(window_n, window_x)
        self._recent.append((at, n, x, self.incident))
        return self.incident

    def _alarming(self, n: Floats, x: Floats) -> Bools:
        usual = (self._bad + 0.5) / (self._requests + 100)
        rate = x / np.maximum(n, 1.0)
        high = rate >= np.maximum(TIMES * usual, usual + POINTS)
        alarming: Bools = (self._requests >= MIN_REFERENCE) & (x >= MIN_BAD) & high
        return alarming

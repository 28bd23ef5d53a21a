"""How much more bad events cluster than independent failures would: the overdispersion phi.

Estimated from past ticks only, so that dividing ln e by it keeps the expectation at most one.
"""

from dataclasses import dataclass, replace
from typing import Final, Self

from canary.measure.counts import Pair

FORGET: Final = 0.99
LOW: Final = 1.0
HIGH: Final = 10.0
PRIOR: Final = 5.0
"""Both sums start with five expected events, so that a few ticks do not decide."""


@dataclass(frozen=True)
class Dispersion:
    """Eight exponentially weighted sums.

    Of the stable: ``bad`` of ``requests``, squared residuals ``square`` over expected events ``expected``.
    Of the split of bad events between both versions: the same as ``split_square`` over
    ``split_expected``, with ``canary_share`` and ``stable_share`` estimating the odds.
    """

    bad: float = 0.0
    requests: float = 0.0
    square: float = 0.0
    expected: float = 0.0
    split_square: float = 0.0
    split_expected: float = 0.0
    canary_share: float = 0.0
    stable_share: float = 0.0

    @property
    def stable(self) -> float:
        """The phi of the stable's own bad events over time, from 1 to 10."""
        return _clip((self.square + PRIOR) / (self.expected + PRIOR))

    @property
    def split(self) -> float:
        """The phi of how the bad events fall on the two versions, from 1 to 10."""
        return _clip((self.split_square + PRIOR) / (self.split_expected + PRIOR))

    @property
    def stable_rate(self) -> float:
        """The rate of bad events to expect of the stable, as a fraction."""
        return (self.bad + 0.5) / (self.requests + 1)

    def observe(self, pair: Pair) -> Self:
        """Return the sums after one more tick (not for incident ticks, which would teach the wrong thing)."""
        grown = self._observe_stable(pair)
        n_s, x_s, n_c, x_c = pair
        n, m = n_c + n_s, x_c + x_s
        if m == 0 or n_c == 0 or n_s == 0:
            return grown
        grown = replace(
            grown,
            canary_share=FORGET * self.canary_share + x_c * n_s / n,
            stable_share=FORGET * self.stable_share + x_s * n_c / n,
        )
        if self.canary_share == self.stable_share == 0:  # nothing to predict from yet
            return grown
        odds = (self.canary_share + 0.5 * n_s / n) / (self.stable_share + 0.5 * n_c / n)
        q = odds * n_c / (odds * n_c + n_s)
        return replace(
            grown,
            split_square=FORGET * self.split_square + (x_c - m * q) ** 2,
            split_expected=FORGET * self.split_expected + m * q * (1 - q),
        )

    def _observe_stable(self, pair: Pair) -> Self:
        grown = replace(
            self, bad=FORGET * self.bad + pair.stable_x, requests=FORGET * self.requests + pair.stable_n
        )
        if self.requests == 0:  # without a past there is nothing to predict from
            return grown
        mu = pair.stable_n * self.stable_rate
        return replace(
            grown,
            square=FORGET * self.square + (pair.stable_x - mu) ** 2,
            expected=FORGET * self.expected + mu,
        )


def _clip(phi: float) -> float:
    return min(max(phi, LOW), HIGH)

"""Evidence from counts: the e-values of HARM and SAFE, change-point masses, McNemar's test.

Every formula is that of the design note on canary analysis. ``ln e`` are natural logarithms of
factors whose expectation is at most one under the stated null hypothesis, for any rate of the
stable, so that a running product passes 100 with probability at most 1 % (Ville's inequality).
Sources: Lindon and Malek (NeurIPS 2022); Waudby-Smith and Ramdas, "Estimating means of bounded
random variables by betting"; Shin, Ramdas and Rinaldo, "E-detectors".
"""

import math
from collections.abc import Sequence
from typing import Final

from canary.measure.counts import Pair

HARM_GRID: Final = (1.3, 1.8, 3.0, 6.0, 20.0, 100.0)
"""Alternatives of HARM: the canary is so many times worse than tolerated."""
SAFE_GRID: Final = (0.05, 0.1, 0.2, 0.4, 0.7, 0.95)
"""Bets of SAFE: the share of the stake put on the next canary request being good."""
MAX_LOG: Final = 690.0
"""``exp`` of more than 709 overflows; beyond 1e299 evidence is not told apart."""


def log_harm(pair: Pair, alternative: float, rho: float, d: float) -> float:
    """Return ln e against "the canary is fine": its rate is at most ``rho`` times the stable's plus ``d``."""
    n_s, x_s, n_c, x_c = pair
    if n_c == 0 or (n_s == 0 and rho > 0):
        return 0.0
    if rho == 0:
        return x_c * math.log(alternative) - (alternative - 1) * n_c * d
    whole = alternative * rho * n_c + n_s
    bet = (alternative - 1) * n_s / whole
    return x_c * math.log1p(bet) + x_s * math.log((rho * n_c + n_s) / whole) - bet * n_c * d


def log_safe(pair: Pair, bet: float, rho: float, d: float) -> float:
    """Return ln e against "the canary is bad": its rate is at least ``rho`` times the stable's plus ``d``."""
    n_s, x_s, n_c, x_c = pair
    if n_c == 0 or (n_s == 0 and rho > 0):
        return 0.0
    canary = x_c * math.log1p(-bet) + bet * n_c * d
    return canary if rho == 0 else canary + x_s * math.log1p(bet * rho * n_c / n_s)


def mass(tick: int, step: int, *, first: bool) -> float:
    """Return the prior probability that the canary turns bad at this fresh tick.

    ``tick`` counts from 1; ``first`` says that this is the first tick of weight step ``step`` (0, 1, ...).
    Over a rollout the masses add up to at most one.
    """
    return 0.2 / (tick * (tick + 1)) + (0.8 * 0.5 ** (step + 1) if first else 0.0)


def grow(logs: Sequence[float], gains: Sequence[float], weight: float) -> tuple[float, ...]:
    """Return ln L after ``L <- (L + weight) e``; no logs yet means that every L is 0."""
    if not weight:
        return add(logs, gains) if logs else ()
    if not logs:
        return tuple(math.log(weight) + gain for gain in gains)
    return tuple(_log_add(log, math.log(weight)) + gain for log, gain in zip(logs, gains, strict=True))


def add(logs: Sequence[float], gains: Sequence[float]) -> tuple[float, ...]:
    """Return ln S after ``S <- S e``; no logs yet means that every S is 1."""
    if not logs:
        return tuple(gains)
    return tuple(log + gain for log, gain in zip(logs, gains, strict=True))


def mean(logs: Sequence[float], empty: float) -> float:
    """Return the mean of the exponentials, or ``empty`` when there are none yet; at most 1e299."""
    if not logs:
        return empty
    top = max(logs)
    total = math.fsum(math.exp(log - top) for log in logs)
    return math.exp(min(top + math.log(total / len(logs)), MAX_LOG))


def mcnemar(stable_only: int, canary_only: int) -> float:
    """Return the exact one-sided p that the canary loses pairs by chance alone.

    ``stable_only`` pairs were hit by the stable version alone, ``canary_only`` by the canary alone.
    """
    n = stable_only + canary_only
    return sum(math.comb(n, k) for k in range(stable_only, n + 1)) / (1 << n)


def _log_add(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high + math.log1p(math.exp(low - high))

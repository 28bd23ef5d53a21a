"""Kayenta's classification of one metric: the confidence interval of a Mann-Whitney test.

Defined in spinnaker/kayenta, kayenta-judge/.../classifiers/metric/MannWhitneyClassifier.scala (tolerance
0.25, confidence 0.98), kayenta-mannwhitney/.../MannWhitney.scala (asymptotic interval as R's wilcox.test has
it) and detectors/IQRDetector.scala (factor 3, at least the 1st and 99th percentile).
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TOLERANCE: Final = 0.25
CONFIDENCE: Final = 0.98
FACTOR: Final = 3.0
ROUNDS: Final = 25
ACCURACY: Final = 1e-4
"""Kayenta's root finder stops here; a limit of this size is 0 and must not convict by its rounding."""


def lower_limit_exceeds(canary: Floats, stable: Floats) -> Bools:
    """Tell for each run (a row of values by the minute) whether the canary is classified as High."""
    return np.array([_is_high(_kept(x), _kept(y)) for x, y in zip(canary, stable, strict=True)])


def _kept(values: Floats) -> Floats:
    """Return the values without NaN and outliers."""
    values = values[~np.isnan(values)]
    if not len(values):
        return values
    p01, p25, p75, p99 = np.percentile(values, [1, 25, 75, 99], method="weibull")
    low, high = min(p01, p25 - FACTOR * (p75 - p25)), max(p99, p75 + FACTOR * (p75 - p25))
    kept: Floats = values[(values >= low) & (values <= high)]
    return kept


def _is_high(x: Floats, y: Floats) -> bool:
    if not len(x) or not len(y) or len(np.unique(np.concatenate([x, y]))) == 1:
        return False
    if np.array_equal(np.sort(x), np.sort(y)):
        return False
    quantile = float(norm.ppf((1 - CONFIDENCE) / 2))
    return _root(x, y, -quantile) > TOLERANCE * abs(_root(x, y, 0.0)) + ACCURACY


def _root(x: Floats, y: Floats, quantile: float) -> float:
    """Return the shift of ``x`` at which the test's statistic is ``quantile``."""
    low, high = float(x.min() - y.max()), float(x.max() - y.min())
    if _excess(x, y, low, quantile) <= 0:
        return low
    if _excess(x, y, high, quantile) >= 0:
        return high
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if _excess(x, y, middle, quantile) > 0 else (low, middle)
    return (low + high) / 2


def _excess(x: Floats, y: Floats, shift: float, quantile: float) -> float:
    n, m = len(x), len(y)
    ranks = rankdata(np.concatenate([x - shift, y]))
    difference = float(ranks[:n].sum()) - n * (n + 1) / 2 - n * m / 2
    _, ties = np.unique(ranks, return_counts=True)
    tied = float((ties**3 - ties).sum()) / ((n + m) * (n + m - 1))
    sigma = float(np.sqrt(n * m / 12 * (n + m + 1 - tied)))
    if sigma == 0:  # Kayenta gives up here, and the metric counts as no failure
        return -quantile
    return (difference - 0.5 * float(np.sign(difference))) / sigma - quantile

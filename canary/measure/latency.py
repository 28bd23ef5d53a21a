"""Which latency counts as slow: the bucket edge that the stable's slowest 1 % exceed.

Interpolated quantiles are made up inside a bucket, so an edge of the histogram is taken as it is.
"""

import math
from collections.abc import Mapping
from typing import Final

from canary.measure.counters import ALL

TAIL: Final = 0.01
MIN_REQUESTS: Final = 100


def choose_edge(within: Mapping[str, int]) -> str | None:
    """Return the ``le`` whose tail share is nearest 1 % on a logarithmic scale.

    ``within`` counts requests by ``le`` (cumulative, "+Inf" is all). Half a request is added to each tail,
    so that an edge that nobody exceeds can be chosen where the next lower one is exceeded by nearly all;
    among equals the lowest is taken. None: fewer than 100 requests, or no finite edge.
    """
    requests = within.get(ALL, 0)
    edges = sorted((le for le in within if le != ALL), key=float)
    if requests < MIN_REQUESTS or not edges:
        return None
    return min(edges, key=lambda le: _distance(requests - min(requests, within[le]), requests))


def _distance(tail: int, requests: int) -> float:
    return abs(math.log((tail + 0.5) / (requests + 1) / TAIL))

"""Which latency counts as slow: the bucket edge that the stable's slowest 1 % exceed.

Interpolated quantiles are made up inside a bucket, so an edge of the histogram is taken as it is.
"""

import math
from collections.abc import Mapping
from typing import Final

from canary.counters import ALL

TAIL: Final = 0.01
MIN_REQUESTS: Final = 100


def choose_edge(within: Mapping[str, int]) -> str | None:
    """Return the ``le`` whose tail share is nearest 1 % on a logarithmic scale.

    ``within`` counts requests by ``le`` (cumulative, "+Inf" is all). If no edge has a tail, the lowest one
    that all requests keep is taken. None: fewer than 100 requests, or no finite edge.
    """
    requests = within.get(ALL, 0)
    edges = sorted((le for le in within if le != ALL), key=float)
    if requests < MIN_REQUESTS or not edges:
        return None
    tails = {le: requests - min(requests, within[le]) for le in edges}
    tailed = [le for le in edges if tails[le] > 0]
    if not tailed:
        return edges[0]
    return min(tailed, key=lambda le: abs(math.log(tails[le] / requests / TAIL)))

"""How a route copies the stable's requests and never the canary's own.

A route mirrors a share of all that passes it, whichever version it sends a request to, and a copy of a
canary's own request would look like one more of its requests. But Envoy decides both by the same number of
the request: its remainder by the sum of the weights chooses among the versions, in their order, and its
remainder by the mirror's denominator, if it is below the numerator, makes the copy. With one denominator
for both, the stable first and a mirror no greater than the stable's share, exactly requests of the stable
are copied. Istio writes the mirror in parts of a million; so that is the denominator of the weights, too.
"""

from typing import Final

from mesh.model import Split
from mesh.policy import MAX_PERCENT

MILLION: Final = 1_000_000
_PART: Final = MILLION // MAX_PERCENT


def parts(split: Split) -> tuple[tuple[str, int], ...]:
    """Return the versions with their weights: per cent, or parts of a million while requests are copied."""
    unit = _PART if split.mirror else 1
    return tuple((version, share * unit) for version, share in split.shares)


def copied(split: Split) -> int:
    """Return how many of a million requests on the route are copied."""
    return split.mirror * split.weights.stable * _PART // MAX_PERCENT


def mirror_of(copied_parts: int, stable_weight: int) -> int:
    """Return the mirror of a split in which so many of a million requests are copied.

    A stable without requests has nothing to copy: what is left is out of range, so that it is put right.
    """
    return round(copied_parts * MAX_PERCENT / (stable_weight * _PART)) if stable_weight else copied_parts

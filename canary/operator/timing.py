"""How patient the operator and its election are; read without what talks to a cluster."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LeaseTiming:
    """Seconds: how long a renewal lasts, and how often it is renewed."""

    duration_s: float = 15.0
    renew_s: float = 2.0


@dataclass(frozen=True)
class Timing:
    """How patient the operator is, in seconds.

    ``idle_s`` is between two looks at a resource with nothing under way, ``drain_s`` and ``patience_s`` are
    those of the proof of a weight (`canary.cluster.proof`), ``farewell_s`` is how long a deletion waits for
    the traffic to go home.
    """

    idle_s: float = 10.0
    drain_s: float = 10.0
    patience_s: float = 120.0
    farewell_s: float = 120.0

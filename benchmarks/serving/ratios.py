"""What the results mean: ratios against the peers, beside what they must be and are to be."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from benchmarks.bounds import Bound, Verdict


class Load(Protocol):
    """Requests a second and latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


class Result(Protocol):
    """What was measured of a server."""

    start_s: float
    pss_mib: int
    alone: Load
    together: Load


@dataclass(frozen=True)
class Target:
    """A ratio of one of our servers' numbers to a peer's, or to another of its own numbers."""

    bound: Bound
    ours: str
    number: Callable[[Result], float]
    peer_number: Callable[[Result], float] | None = None
    """What the peer's number is where it is another one than ours."""


def _rate(result: Result) -> float:
    return result.together.rate


def _tail(result: Result) -> float:
    return result.together.p99


def _median(result: Result) -> float:
    return result.together.p50


def _more(what: str, must: float, aim: float, peer: str) -> Bound:
    return Bound(what, must, aim, more_is_better=True, against=peer)


def _less(what: str, must: float, aim: float, peer: str) -> Bound:
    return Bound(what, must, aim, against=peer)


_INT8, _BF16, _FILL = "ours int8", "ours bf16", "ours int8 fill-mask"
_ORT, _PIPELINE = "mosec ort-int8", "pipeline"

TARGETS = (
    Target(_more("int8 features, 32 clients, requests/s", 2.0, 2.5, _ORT), _INT8, _rate),
    Target(_more("bf16 features, 32 clients, requests/s", 1.4, 1.5, _ORT), _BF16, _rate),
    Target(_more("int8 fill-mask, 32 clients, requests/s", 7, 9, "mosec torch fill-mask"), _FILL, _rate),
    Target(_less("int8 features, 32 clients, p99", 0.65, 0.55, _ORT), _INT8, _tail),
    Target(_less("int8 features, 32 clients, p99 to own p50", 2, 2, _INT8), _INT8, _tail, _median),
    Target(_less("int8 features, 1 client, p50", 0.8, 0.7, _ORT), _INT8, lambda r: r.alone.p50),
    Target(_less("int8, start to first answer", 0.2, 0.15, _PIPELINE), _INT8, lambda r: r.start_s),
    Target(_less("int8, memory", 0.75, 0.4, _PIPELINE), _INT8, lambda r: float(r.pss_mib)),
)


def ratios(results: Mapping[str, Result]) -> Iterator[Verdict]:
    """Yield a verdict for each target whose two servers were measured."""
    for target in TARGETS:
        peer = target.bound.against
        if target.ours in results and peer in results:
            ours = target.number(results[target.ours])
            yield Verdict(target.bound, ours / (target.peer_number or target.number)(results[peer]))

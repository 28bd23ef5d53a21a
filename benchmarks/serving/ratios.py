"""What the results mean: ratios against the peers, beside what they must be and are to be."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol


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
    """A ratio of one server's number to another's; ``must`` is a least or, below 1, a most."""

    what: str
    ours: str
    peer: str
    number: Callable[[Result], float]
    must: float
    aim: float

    def met(self, ratio: float, bound: float) -> bool:
        """Whether a ratio is on the right side of a bound."""
        return ratio >= bound if self.must >= 1 else ratio <= bound


def _rate(result: Result) -> float:
    return result.together.rate


def _tail(result: Result) -> float:
    return result.together.p99


TARGETS = (
    Target("int8 features, 32 clients, requests/s", "ours int8", "mosec ort-int8", _rate, 2.0, 2.5),
    Target("bf16 features, 32 clients, requests/s", "ours bf16", "mosec ort-int8", _rate, 1.4, 1.5),
    Target(
        "int8 fill-mask, 32 clients, requests/s", "ours int8 fill-mask", "mosec torch fill-mask", _rate, 7, 9
    ),
    Target("int8 features, 32 clients, p99", "ours int8", "mosec ort-int8", _tail, 0.65, 0.55),
    Target("int8 features, 1 client, p50", "ours int8", "mosec ort-int8", lambda r: r.alone.p50, 0.8, 0.7),
    Target("int8, start to first answer", "ours int8", "pipeline", lambda r: r.start_s, 0.2, 0.15),
    Target("int8, memory", "ours int8", "pipeline", lambda r: float(r.pss_mib), 0.75, 0.4),
)


def ratios(results: Mapping[str, Result]) -> Iterator[str]:
    """Yield a line for each target whose two servers were measured."""
    for target in TARGETS:
        if target.ours in results and target.peer in results:
            ratio = target.number(results[target.ours]) / target.number(results[target.peer])
            verdict = (
                "aim"
                if target.met(ratio, target.aim)
                else "must"
                if target.met(ratio, target.must)
                else "MISSED"
            )
            yield (
                f"{target.what:42} {ratio:6.2f} x {target.peer:22}"
                f" must {target.must:4} aim {target.aim:4}  {verdict}"
            )
    if "ours int8" in results:
        load = results["ours int8"].together
        yield f"{'int8 features, 32 clients, p99 to p50':42} {load.p99 / load.p50:6.2f} x own p50, must 2.0"

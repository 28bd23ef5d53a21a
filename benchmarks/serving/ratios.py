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
    """A ratio of one server's number to another's, or to another of its own numbers.

    ``must`` is a least where more is better, else a most.
    """

    what: str
    ours: str
    peer: str
    number: Callable[[Result], float]
    must: float
    aim: float
    more_is_better: bool = False
    peer_number: Callable[[Result], float] | None = None
    """What the peer's number is where it is another one than ours."""

    def met(self, ratio: float, bound: float) -> bool:
        """Whether a ratio is on the right side of a bound."""
        return ratio >= bound if self.more_is_better else ratio <= bound


def _rate(result: Result) -> float:
    return result.together.rate


def _tail(result: Result) -> float:
    return result.together.p99


def _median(result: Result) -> float:
    return result.together.p50


_ORT, _MORE = "mosec ort-int8", True

TARGETS = (
    Target("int8 features, 32 clients, requests/s", "ours int8", _ORT, _rate, 2.0, 2.5, _MORE),
    Target("bf16 features, 32 clients, requests/s", "ours bf16", _ORT, _rate, 1.4, 1.5, _MORE),
    Target(
        "int8 fill-mask, 32 clients, requests/s",
        "ours int8 fill-mask",
        "mosec torch fill-mask",
        _rate,
        7,
        9,
        _MORE,
    ),
    Target("int8 features, 32 clients, p99", "ours int8", _ORT, _tail, 0.65, 0.55),
    Target("int8, 32 clients, p99 to own p50", "ours int8", "ours int8", _tail, 2, 2, peer_number=_median),
    Target("int8 features, 1 client, p50", "ours int8", _ORT, lambda r: r.alone.p50, 0.8, 0.7),
    Target("int8, start to first answer", "ours int8", "pipeline", lambda r: r.start_s, 0.2, 0.15),
    Target("int8, memory", "ours int8", "pipeline", lambda r: float(r.pss_mib), 0.75, 0.4),
)


@dataclass(frozen=True)
class Verdict:
    """A target and the ratio that was measured."""

    target: Target
    ratio: float

    @property
    def met(self) -> str:
        """Which bound it keeps: aim, must or none."""
        if self.target.met(self.ratio, self.target.aim):
            return "aim"
        return "must" if self.target.met(self.ratio, self.target.must) else "MISSED"

    def __str__(self) -> str:
        target = self.target
        return (
            f"{target.what:42} {self.ratio:6.2f} x {target.peer:22}"
            f" must {target.must:4} aim {target.aim:4}  {self.met}"
        )

    def as_dict(self) -> dict[str, object]:
        """Return it fit for JSON."""
        target = self.target
        return {
            "what": target.what,
            "against": target.peer,
            "ratio": round(self.ratio, 3),
            "must": target.must,
            "aim": target.aim,
            "met": self.met,
        }


def ratios(results: Mapping[str, Result]) -> Iterator[Verdict]:
    """Yield a verdict for each target whose two servers were measured."""
    for target in TARGETS:
        if target.ours in results and target.peer in results:
            ours = target.number(results[target.ours])
            peer = (target.peer_number or target.number)(results[target.peer])
            yield Verdict(target, ours / peer)

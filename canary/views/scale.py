"""Geometry of the drawings: across in per cent of the width, so that text never scales; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from canary.judge import formatting
from canary.views.runs import Point

LEFT, RIGHT = 7.0, 98.5
"""Where the plot begins and ends, in per cent of the width: the weights' labels stand before it."""
TOP, HEIGHT = 18.0, 170.0
"""Where the plot begins, and how high it is, in pixels."""
GRID: Final = (0, 25, 50, 75, 100)
MAX_TICKS: Final = 6
TICKS_S: Final = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
SHORTEST_S: Final = 10.0

DECADES: Final = (-2, 4)
"""Evidence is shown from 0.01 to 10,000; what lies beyond ends at the edge."""


@dataclass(frozen=True)
class WeightSpan:
    """A weight that held for a while: across in per cent of the width, ``y`` and ``height`` in pixels."""

    left: float
    right: float
    y: float
    height: float
    weight: int

    @property
    def width(self) -> float:
        """How wide it is, in per cent."""
        return round(self.right - self.left, 3)


@dataclass(frozen=True)
class AxisTick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class TimeAxis:
    """Seconds of a rollout on the width of the plot."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(SHORTEST_S, self.end - self.begin)

    def x(self, at: float) -> float:
        """Return a time's place in per cent of the width."""
        share = min(1.0, max(0.0, (at - self.begin) / self.seconds))
        return round(LEFT + share * (RIGHT - LEFT), 3)

    def ticks(self) -> tuple[AxisTick, ...]:
        """Return at most six labels at round times since the beginning."""
        fits = (step for step in TICKS_S if self.seconds / step <= MAX_TICKS)
        step = next(fits, math.ceil(self.seconds / MAX_TICKS / TICKS_S[-1]) * TICKS_S[-1])
        times = range(0, int(self.seconds) + 1, step)
        return tuple(AxisTick(self.x(self.begin + seconds), since(seconds)) for seconds in times)

    def spans(self, points: Sequence[Point]) -> tuple[WeightSpan, ...]:
        """Return the steps of a curve, the last one up to the end."""
        ends = [*(at for at, _ in points[1:]), self.begin + self.seconds]
        pairs = zip(points, ends, strict=False)
        return tuple(self._span(self.x(at), self.x(end), weight) for (at, weight), end in pairs)

    @staticmethod
    def _span(left: float, right: float, weight: int) -> WeightSpan:
        return WeightSpan(left, right, y(weight), round(HEIGHT * weight / 100, 1), weight)


def y(weight: float) -> float:
    """Return a weight's place in pixels from above."""
    return round(TOP + HEIGHT * (1 - weight / 100), 1)


def since(seconds: float) -> str:
    """Write 95 as 1:35 and 3,700 as 1:01:40."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def place(value: float) -> float:
    """Return the place of an amount of evidence on a logarithmic scale, in per cent of the width."""
    low, high = DECADES
    log = math.log10(max(value, 10.0**low))
    return round(100 * min(1.0, max(0.0, (log - low) / (high - low))), 2)


@dataclass(frozen=True)
class Gauge:
    """An amount of evidence against what is enough.

    ``tone`` is "calm" below 1, "warn" up to ``enough`` and "bad" from there on for evidence of harm; "open"
    and "proved" for evidence of safety.
    """

    value: float
    enough: float
    tone: str
    label: str
    note: str = ""

    @property
    def width(self) -> float:
        """How long the bar is, in per cent."""
        return place(self.value)

    @property
    def mark(self) -> float:
        """Where ``enough`` is, in per cent."""
        return place(self.enough)

    @property
    def text(self) -> str:
        """The amount as people read it."""
        return formatting.evidence(self.value)


def harm(value: float, enough: float, suspect: float, label: str) -> Gauge:
    """Return the gauge for evidence against the canary."""
    tone = "bad" if value >= enough else "warn" if value >= suspect else "calm"
    return Gauge(value, enough, tone, label)


def safe(value: float, enough: float, label: str, note: str = "") -> Gauge:
    """Return the gauge for evidence in the canary's favour."""
    return Gauge(value, enough, "proved" if value >= enough else "open", label, note)

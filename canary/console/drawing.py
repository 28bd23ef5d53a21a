"""The weights over time as shapes: what was asked for, what was proved, and who meddled; pure."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from canary.rollout.decision import Action
from canary.rollout.history import Entry
from canary.views.runs import Run
from canary.views.scale import GRID, HEIGHT, LEFT, RIGHT, TOP, AxisTick, TimeAxis, WeightSpan, since, y

MARKED: Final = {
    Action.ROLL_BACK: "bad",
    Action.FAIL: "bad",
    Action.PAUSE: "warn",
    Action.PUT_BACK: "warn",
    Action.RESUME: "calm",
    Action.ASSUME: "warn",
}
BY_HAND: Final = "by_hand:"
BOTTOM: Final = TOP + HEIGHT


@dataclass(frozen=True)
class Rise:
    """A vertical line of a curve: where (per cent), and from and to (pixels)."""

    x: float
    y1: float
    y2: float


@dataclass(frozen=True)
class Mark:
    """A decision worth pointing at."""

    x: float
    tone: str
    words: str


@dataclass(frozen=True)
class Drawing:
    """Shapes of the chart; ``words`` tells the same to those who do not see it."""

    asked: tuple[WeightSpan, ...]
    rises: tuple[Rise, ...]
    proved: tuple[WeightSpan, ...]
    times: tuple[AxisTick, ...]
    weights: tuple[AxisTick, ...]
    marks: tuple[Mark, ...]
    words: str
    left: float = LEFT
    right: float = RIGHT
    top: float = TOP
    bottom: float = BOTTOM


def drawing(run: Run, now: float) -> Drawing:
    """Return the shapes; of an ended rollout up to a moment after its end, so that the end is seen."""
    length = (run.ended_at or now) - run.started_at
    axis = TimeAxis(run.started_at, run.started_at + length * (1.06 if run.ended else 1.0))
    asked = axis.spans(run.asked)
    return Drawing(
        asked=asked,
        rises=tuple(Rise(b.left, a.y, b.y) for a, b in pairwise(asked)),
        proved=axis.spans(run.proved),
        times=axis.ticks(),
        weights=tuple(AxisTick(y(weight), f"{weight}") for weight in GRID),
        marks=tuple(_mark(axis, entry) for entry in run.entries if _is_marked(entry)),
        words=_words(run),
    )


def _is_marked(entry: Entry) -> bool:
    meddled = entry.reason.startswith(BY_HAND) and entry.action is not Action.START
    return entry.action in MARKED or meddled


def _mark(axis: TimeAxis, entry: Entry) -> Mark:
    text = f"{since(entry.at - axis.begin)} {entry.action.value.replace('_', ' ')}: {entry.sentence}"
    return Mark(axis.x(entry.at), MARKED.get(entry.action, "calm"), text)


def _words(run: Run) -> str:
    moves = [f"{weight} % after {since(at - run.started_at)}" for at, weight in run.asked]
    return f"Share of {run.canary} that was asked for: {', '.join(moves)}."

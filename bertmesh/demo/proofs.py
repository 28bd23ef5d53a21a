"""What the controller's own history proves about an act; no I/O.

Nothing here depends on when somebody looked: the history only grows, and evidence is only added.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

from canary.rollout.decision import TURNS, Action
from canary.rollout.history import Entry
from canary.rollout.state import State

WAITS: Final = frozenset({"common_incident", "no_data", "metrics_down"})
"""Reasons to neither convict nor clear: the stable itself is bad, or nothing is known."""
BAKED: Final = "baked"


@dataclass(frozen=True)
class OnFile:
    """What the controller's file says of a rollout: its history, and the ticks of evidence so far."""

    rollout: str
    history: tuple[Entry, ...]
    ticks: int

    @classmethod
    def of(cls, state: State) -> Self:
        """Return what a state says of its last rollout."""
        rollout = state.rollout.id if state.rollout else ""
        history = tuple(entry for entry in state.history if entry.rollout == rollout)
        return cls(rollout, history, state.ledger.ticks if state.ledger else 0)

    @property
    def weight(self) -> int:
        """The canary's per cent after the last decision."""
        return self.history[-1].weight_to if self.history else 0


@dataclass(frozen=True)
class Succession:
    """A controller that was killed, and its successor: what was on file after the kill and at the end.

    ``killed_at`` and ``back_at`` are Unix seconds: the kill, and the successor's first sign of life.
    """

    killed_at: float
    back_at: float
    before: OnFile
    after: OnFile

    @property
    def added(self) -> tuple[Entry, ...]:
        """What was decided after ``before``."""
        last = self.before.history[-1].number if self.before.history else 0
        return tuple(entry for entry in self.after.history if entry.number > last)

    def losses(self) -> list[str]:
        """Return in words what the successor did not keep."""
        found = []
        if self.after.rollout != self.before.rollout:
            found.append(f"it went on with {self.after.rollout}, {self.before.rollout} was under way")
        oldest = self.after.history[0].number if self.after.history else 0
        kept = [entry for entry in self.before.history if entry.number >= oldest]
        if list(self.after.history[: len(kept)]) != kept:
            found.append("the history on file is not the former one with more after it")
        judged = (entry.report.ticks for entry in self.added if entry.report)
        fewest = min([self.after.ticks, *judged])
        if fewest < self.before.ticks:
            found.append(f"{fewest} ticks of evidence were left of {self.before.ticks}")
        return found


def jumps(history: Sequence[Entry]) -> list[str]:
    """Return in words where a rollout's weight changed without a decision, or was begun twice."""
    starts = sum(entry.action is Action.START for entry in history)
    found = [f"it was started {starts} times"] if starts > 1 else []
    return found + [
        f"{before.weight_to} % was left by decision {before.number}, {after.weight_from} % found by the next"
        for before, after in pairwise(history)
        if after.weight_from != before.weight_to
    ]


def unweighted(history: Sequence[Entry], end: float) -> tuple[float, float]:
    """Return from when to when (Unix seconds) the canary was to get nothing, in a history until ``end``."""
    since = history[0].at if history else end
    return since, next((entry.at for entry in history if entry.weight_to), end)


def unexplained(written: Iterable[int], history: Sequence[Entry]) -> list[int]:
    """Return the canary weights that were ``written``, in their order, and that no decision accounts for.

    A decision may be carried out unseen, so ``written`` may lack weights that were decided.
    """
    decided = [0, *(entry.weight_to for entry in history)]
    at, found = 0, []
    for weight in written:
        if weight in decided[at:]:
            at = decided.index(weight, at)
        else:
            found.append(weight)
    return found


def waits(history: Sequence[Entry], end: float) -> list[tuple[float, float]]:
    """Return from when to when (Unix seconds) the judge could say nothing, in a history until ``end``."""
    ends = [*(entry.at for entry in history[1:]), end]
    return [(entry.at, until) for entry, until in zip(history, ends, strict=False) if entry.reason in WAITS]


def waited_s(history: Sequence[Entry], end: float) -> float:
    """Return for how many seconds the judge could say nothing."""
    return sum(until - since for since, until in waits(history, end))


def verdict_on(history: Sequence[Entry]) -> str:
    """Return why the canary was taken or sent back: the last decision that moved it before it had baked."""
    moves = (entry for entry in history if entry.action in TURNS and entry.weight_from != entry.weight_to)
    said = [entry.sentence for entry in moves if entry.reason != BAKED]
    return said[-1] if said else "no weight was moved"

"""The rollouts that a state knows: the present one whole, the former ones from the history; pure."""

from dataclasses import dataclass
from typing import Final

from canary.rollout.decision import TURNS, Action
from canary.rollout.history import Entry
from canary.rollout.model import FINAL, Phase, Rollout
from canary.rollout.state import State

FINAL_NAMES: Final = frozenset(phase.value for phase in FINAL)

Point = tuple[float, int]
"""A time (Unix seconds) and the weight from then on (per cent)."""


@dataclass(frozen=True)
class Run:
    """One rollout: what was decided about it and, of the last one, everything else that is kept.

    ``rollout`` and ``live_since`` are None of a former one. ``latest`` is the last decision about it.
    ``assumed`` is why the present split is only assumed to be live, "" if it is proved or not live.
    """

    id: str
    entries: tuple[Entry, ...]
    latest: Entry
    rollout: Rollout | None = None
    live_since: float | None = None
    assumed: str = ""

    @property
    def stable(self) -> str:
        """The version that it began with."""
        return self.rollout.stable if self.rollout else self.latest.stable

    @property
    def canary(self) -> str:
        """The version that it was about."""
        return self.rollout.canary if self.rollout else self.latest.canary

    @property
    def phase(self) -> Phase:
        """Where it is, or how it ended."""
        return self.rollout.phase if self.rollout else Phase(self.latest.phase)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.phase in FINAL

    @property
    def weight(self) -> int:
        """The canary's share that was asked for last, in per cent."""
        return self.rollout.weight if self.rollout else self.latest.weight_to

    @property
    def started_at(self) -> float:
        """When it began, or when the oldest entry that is kept was written (Unix seconds)."""
        return self.rollout.started_at if self.rollout else self.entries[0].at

    @property
    def started_by(self) -> str:
        """Who began it; "" if that entry is no longer kept."""
        if self.rollout:
            return self.rollout.started_by
        return self.entries[0].who if self.entries[0].action is Action.START else ""

    @property
    def ended_at(self) -> float | None:
        """When it ended (Unix seconds)."""
        if self.rollout:
            return self.rollout.ended_at
        return next((entry.at for entry in self.entries if entry.phase in FINAL_NAMES), None)

    @property
    def turn(self) -> Entry:
        """The decision that says most: how it ended, or the last one of a rollout in progress."""
        if not self.ended:
            return self.latest
        return next((entry for entry in reversed(self.entries) if entry.action in TURNS), self.latest)

    @property
    def judged(self) -> Entry | None:
        """The judgement whose report says most; a bake proves nothing, so of a promoted one that before."""
        known = [entry for entry in (*self.entries, self.latest) if entry.report]
        if self.phase is Phase.PROMOTED:
            known = [entry for entry in known if entry.action is Action.ADVANCE and _compares(entry)] or known
        elif self.turn in known:
            return self.turn
        return known[-1] if known else None

    @property
    def asked(self) -> tuple[Point, ...]:
        """The weights that the controller wanted, from the first entry on."""
        first = (self.started_at, self.entries[0].weight_from if self.entries else 0)
        moves = ((e.at, e.weight_to) for e in self.entries if e.weight_from != e.weight_to)
        return (first, *moves)

    @property
    def proved(self) -> tuple[Point, ...]:
        """The weights that the gateway proved to be live; only kept of the last rollout."""
        if self.rollout is None:
            return ()
        points = [(record.since, record.weight) for record in self.rollout.passed if not record.assumed]
        back = not self.rollout.weighted and not self.assumed
        if back and points and self.live_since and self.live_since > points[-1][0]:
            points.append((self.live_since, self.rollout.weight))
        return ((self.started_at, 0), *points)


def _compares(entry: Entry) -> bool:
    return entry.report is not None and any(metric.safe for metric in entry.report.metrics.values())


def runs(state: State) -> tuple[Run, ...]:
    """Return all rollouts that are still known, the newest first."""
    grouped: dict[str, list[Entry]] = {}
    for entry in state.history:
        if entry.rollout:
            grouped.setdefault(entry.rollout, []).append(entry)
    return tuple(_run(state, name, tuple(entries)) for name, entries in reversed(grouped.items()))


def _run(state: State, name: str, entries: tuple[Entry, ...]) -> Run:
    rollout = state.rollout
    if rollout is None or rollout.id != name:
        return Run(name, entries, entries[-1])
    latest = state.latest if state.latest and state.latest.rollout == name else entries[-1]
    assumed = state.confirmation.words if state.assumed and state.confirmation else ""
    return Run(name, entries, latest, rollout, state.live_since, assumed)

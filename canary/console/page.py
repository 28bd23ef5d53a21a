"""Everything that the page shows, made from readings; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from canary import words
from canary.console.detail import Detail, detail, phase_of, tone_of
from canary.console.errors import NoSuchRollout
from canary.console.ports import Reading
from canary.console.runs import Run, runs
from canary.state import State

ALIVE_WITHIN_S: Final = 5.0


@dataclass(frozen=True)
class Notice:
    """A sentence that comes before everything else; ``tone`` is "bad", "warn" or "good"."""

    tone: str
    text: str


@dataclass(frozen=True)
class Card:
    """A rollout in the list."""

    service: str
    id: str
    move: str
    phase: str
    tone: str
    when: str
    chosen: bool


@dataclass(frozen=True)
class Page:
    """The whole page."""

    services: tuple[str, ...]
    stable: str
    notices: tuple[Notice, ...]
    cards: tuple[Card, ...]
    detail: Detail | None

    @property
    def broken(self) -> bool:
        """Whether a state could not be read."""
        return any(notice.tone == "bad" for notice in self.notices)


Choice = tuple[str, str] | None
"""The service and the rollout that somebody asked for."""


Known = tuple[str, State, Run]


def page(readings: Sequence[Reading], choice: Choice, now: float) -> Page:
    """Return the page; without a choice it shows a rollout in progress, or else the newest one.

    Raises:
        NoSuchRollout: the chosen one is not known.
    """
    states = [(reading.service, reading.state) for reading in readings if reading.state]
    known = [(service, state, run) for service, state in states for run in runs(state)]
    known.sort(key=lambda each: (not each[2].ended, each[2].started_at), reverse=True)
    shown = _choose(known, choice)
    return Page(
        services=tuple(reading.service for reading in readings),
        stable=", ".join(state.stable for _, state in states),
        notices=tuple(notice for reading in readings for notice in _notices(reading, now)),
        cards=tuple(_card(each, now, chosen=each is shown) for each in known),
        detail=detail(*shown, now) if shown else None,
    )


def _choose(known: Sequence[Known], choice: Choice) -> Known | None:
    if choice is None:
        return known[0] if known else None
    for each in known:
        if (each[0], each[2].id) == choice:
            return each
    raise NoSuchRollout(*choice)


def _notices(reading: Reading, now: float) -> list[Notice]:
    if reading.problem:
        return [Notice("bad", reading.problem)]
    if reading.state is None:
        return []
    if reading.beat is None or now - reading.beat >= ALIVE_WITHIN_S:
        seen = "never" if reading.beat is None else f"{words.duration(now - reading.beat)} ago"
        text = (
            f"The controller gives no sign of life (last seen: {seen}). What is shown is what it "
            "stored last; traffic stays as it is. See `bertmesh status`; `bertmesh up` starts the mesh."
        )
        return [Notice("warn", text)]
    return []


def _card(known: Known, now: float, *, chosen: bool) -> Card:
    service, _, run = known
    at = run.ended_at
    when = "in progress" if at is None else f"{words.duration(max(0.0, now - at))} ago"
    return Card(service, run.id, f"{run.stable} → {run.canary}", phase_of(run), tone_of(run), when, chosen)

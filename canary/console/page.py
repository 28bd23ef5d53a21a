"""Everything that the page shows, made from readings; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from canary.console.detail import Detail, detail, phase_of, tone_of
from canary.console.errors import NoSuchRollout
from canary.console.ports import ServiceView
from canary.judge import formatting
from canary.views.runs import Run, runs


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
class Service:
    """A service and the version that is trusted with it."""

    name: str
    stable: str


@dataclass(frozen=True)
class Page:
    """The whole page; ``more`` is how many rollouts the list leaves out."""

    services: tuple[Service, ...]
    notices: tuple[Notice, ...]
    cards: tuple[Card, ...]
    more: int
    detail: Detail | None

    @property
    def stable(self) -> str:
        """The stable version of the only service, or of the one that is shown; "" if there is none."""
        shown = self.detail.service if self.detail else ""
        return next((each.stable for each in self.services if shown in {"", each.name}), "")

    @property
    def idle(self) -> tuple[Service, ...]:
        """The services that had no rollout yet, where there are others."""
        busy = {card.service for card in self.cards}
        return tuple(each for each in self.services if busy and each.name not in busy)

    @property
    def broken(self) -> bool:
        """Whether a state could not be read."""
        return any(notice.tone == "bad" for notice in self.notices)


MOST_CARDS: Final = 200
Choice = tuple[str, str] | None
"""The service and the rollout that somebody asked for."""


Known = tuple[str, Run]
"""A service, and one of its rollouts."""


def page(readings: Sequence[ServiceView], choice: Choice, now: float) -> Page:
    """Return the page; without a choice it shows a rollout in progress, or else the newest one.

    Raises:
        NoSuchRollout: the chosen one is not known.
    """
    states = [(reading.service, reading.state) for reading in readings if reading.state]
    known = [(service, run) for service, state in states for run in runs(state)]
    known.sort(key=lambda each: (not each[1].ended, each[1].started_at), reverse=True)
    shown = _choose(known, choice)
    listed = _listed(known, shown[0] if shown else "")
    return Page(
        services=tuple(Service(service, state.stable) for service, state in states),
        notices=tuple(dict.fromkeys(notice for each in readings for notice in _notices(each, now))),
        cards=tuple(_card(each, now, chosen=each is shown) for each in listed[:MOST_CARDS]),
        more=max(0, len(listed) - MOST_CARDS),
        detail=detail(*shown, now) if shown else None,
    )


def _listed(known: Sequence[Known], service: str) -> Sequence[Known]:
    """Return every rollout of the service that is shown, and the newest one of each other."""
    newest = {name: run.id for name, run in reversed(known)}
    return [each for each in known if each[0] == service or newest[each[0]] == each[1].id]


def _choose(known: Sequence[Known], choice: Choice) -> Known | None:
    if choice is None:
        return known[0] if known else None
    for each in known:
        if (each[0], each[1].id) == choice:
            return each
    raise NoSuchRollout(*choice)


def _notices(reading: ServiceView, now: float) -> list[Notice]:
    if reading.problem:
        return [Notice("bad", reading.problem)]
    warned = [Notice("warn", reading.warning)] if reading.warning else []
    silent_s = math.inf if reading.beat is None else now - reading.beat
    if reading.state is None or math.isinf(reading.patience_s) or silent_s < reading.patience_s:
        return warned
    seen = "never" if reading.beat is None else f"{formatting.duration(silent_s)} ago"
    text = (
        f"The controller gives no sign of life (last seen: {seen}). What is shown is what it "
        f"stored last; traffic stays as it is. {reading.advice}"
    )
    return [Notice("warn", text), *warned]


def _card(known: Known, now: float, *, chosen: bool) -> Card:
    service, run = known
    at = run.ended_at
    when = "in progress" if at is None else f"{formatting.duration(max(0.0, now - at))} ago"
    return Card(service, run.id, f"{run.stable} → {run.canary}", phase_of(run), tone_of(run), when, chosen)

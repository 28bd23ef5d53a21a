"""Everything outside the controller, in one value; with the real clock and the real log."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from canary.controller.ports import Clock, Metrics, Pins, Reached, Review, Router, Store, Workloads
from canary.rollout.decision import Decision
from canary.rollout.history import Entry
from canary.rollout.state import State
from canary.views.rollout import entry_view

Log = Callable[[Entry], None]
_logger = logging.getLogger("canary")


@dataclass(frozen=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()


def log_line(entry: Entry) -> None:
    """Write a decision as one line of JSON."""
    level = logging.WARNING if entry.alert else logging.INFO
    _logger.log(level, "%s", json.dumps({"event": "decision", **entry_view(entry)}, ensure_ascii=False))


def as_judged(state: State, decision: Decision, _now: float) -> tuple[State, Decision]:
    """Let every decision pass."""
    return state, decision


class NoPins:
    """Asks nobody."""

    def reach(self, version: str) -> Reached:
        """Return that nobody was asked."""
        del version
        return Reached(None, "nobody here sends requests")


@dataclass(frozen=True)
class World:
    """The ports of one controller; ``log`` is told every new entry of the history."""

    router: Router
    metrics: Metrics
    workloads: Workloads
    store: Store
    clock: Clock = field(default_factory=SystemClock)
    log: Log = log_line
    review: Review = as_judged
    pins: Pins = field(default_factory=NoPins)

"""Everything outside the controller, in one value; with the real clock and the real log."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from canary.controller.ports import Clock, Metrics, Review, Router, Store, Workloads
from canary.rollout.decision import Decision
from canary.rollout.state import State

Log = Callable[[Mapping[str, Any]], None]
_logger = logging.getLogger("canary")


@dataclass(frozen=True)
class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()


def log_line(entry: Mapping[str, Any]) -> None:
    """Write a decision as one line of JSON."""
    level = logging.WARNING if entry.get("alert") else logging.INFO
    _logger.log(level, "%s", json.dumps({"event": "decision", **entry}, ensure_ascii=False))


def as_judged(state: State, decision: Decision, _now: float) -> tuple[State, Decision]:
    """Let every decision pass."""
    return state, decision


@dataclass(frozen=True)
class World:
    """The ports of one controller; ``log`` takes one history entry as a JSON object."""

    router: Router
    metrics: Metrics
    workloads: Workloads
    store: Store
    clock: Clock = field(default_factory=SystemClock)
    log: Log = log_line
    review: Review = as_judged

"""What happened, in the order it happened: one entry a decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from canary.rollout.decision import Action


@dataclass(frozen=True)
class Entry:
    """One decision: when (Unix seconds), by whom, about which rollout, why, and on which numbers.

    ``weight_from`` and ``weight_to`` are the canary's per cent before and after it.
    """

    number: int
    at: float
    action: Action
    reason: str
    sentence: str
    who: str
    rollout: str = ""
    stable: str = ""
    canary: str = ""
    phase: str = ""
    weight_from: int = 0
    weight_to: int = 0
    alert: bool = False
    numbers: Mapping[str, Any] = field(default_factory=dict)

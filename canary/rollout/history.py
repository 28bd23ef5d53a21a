"""What happened, in the order it happened: one entry a decision."""

from dataclasses import dataclass

from canary.judge.golden import GoldenResult
from canary.judge.report import Report
from canary.rollout.decision import Action


@dataclass(frozen=True)
class Entry:
    """One decision: when (Unix seconds), by whom, about which rollout, why, and what was measured.

    ``weight_from`` and ``weight_to`` are the canary's per cent before and after it; ``step`` is the step from
    then on, from 1 (None: before the first, or no rollout).
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
    step: int | None = None
    report: Report | None = None
    golden: GoldenResult | None = None

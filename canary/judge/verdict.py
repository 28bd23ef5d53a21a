"""What the judge says: an outcome, its reason as a code, a sentence, and the report behind it."""

from dataclasses import dataclass
from enum import StrEnum

from canary.judge.report import Report


class Outcome(StrEnum):
    """What should happen next."""

    ADVANCE = "advance"
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    FAIL = "fail"


@dataclass(frozen=True)
class Verdict:
    """One judgement.

    ``reason`` is stable and made for machines (``collecting:slow``), ``sentence`` for people. ``alert``
    asks for a human. ``report`` is None where nothing was measured.
    """

    outcome: Outcome
    reason: str
    sentence: str
    alert: bool = False
    report: Report | None = None


def hold(reason: str, sentence: str, *, alert: bool = False) -> Verdict:
    """Return the verdict to wait."""
    return Verdict(Outcome.HOLD, reason, sentence, alert=alert)


def advance(reason: str, sentence: str) -> Verdict:
    """Return the verdict to go on."""
    return Verdict(Outcome.ADVANCE, reason, sentence)


def roll_back(reason: str, sentence: str) -> Verdict:
    """Return the verdict to send all traffic back."""
    return Verdict(Outcome.ROLL_BACK, reason, sentence)


def fail(reason: str, sentence: str) -> Verdict:
    """Return the verdict that the rollout cannot begin."""
    return Verdict(Outcome.FAIL, reason, sentence)

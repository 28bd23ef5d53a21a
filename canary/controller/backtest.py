"""What a policy would have done on recorded data: the same readings, the same judge, the same moves.

The recorded weights are what they were; a policy of other weights would have had other counts. So a backtest
says what the policy would have thought of what was recorded, and when: evidence compares rates, which do not
depend on the weights. Silence of the canary is not judged, since nobody knows how many requests it was due.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from canary.controller.ports import Metrics
from canary.controller.readings import Measured, read_history, read_tick
from canary.errors import BadSpan, MetricsDown
from canary.judge.ledger import Ledger
from canary.judge.policy import Profile
from canary.judge.rules import Moment, judge
from canary.judge.verdict import Outcome, Verdict
from canary.rollout.decision import Action, decide
from canary.rollout.model import Phase, Rollout
from canary.rollout.transition import transition
from canary.views.rollout import numbers

MAX_TICKS: Final = 100_000
UNDECIDED: Final = "undecided"
ENDS: Final = {Phase.PROMOTED: "promoted", Phase.ROLLING_BACK: "rolled back"}


@dataclass(frozen=True)
class TimeRange:
    """From when to when data are read, in Unix seconds.

    Raises:
        BadSpan: it does not go forward, or holds too many ticks.
    """

    begin: float
    end: float
    tick_s: float

    def __post_init__(self) -> None:
        if not 0 < self.end - self.begin <= MAX_TICKS * self.tick_s:
            raise BadSpan(self.end - self.begin, MAX_TICKS * self.tick_s)

    @property
    def ticks(self) -> Iterator[float]:
        """Yield the times at which the judge is asked."""
        count = int((self.end - self.begin) / self.tick_s)
        return (self.begin + k * self.tick_s for k in range(1, count + 1))


@dataclass(frozen=True)
class BacktestPoint:
    """What the judge said at a time, and the weight that the policy had reached by then (per cent)."""

    at: float
    weight: int
    verdict: Verdict

    @property
    def view(self) -> dict[str, Any]:
        """The finding as JSON values."""
        verdict = self.verdict
        return {
            "at": self.at,
            "weight": self.weight,
            "outcome": verdict.outcome.value,
            "reason": verdict.reason,
            "sentence": verdict.sentence,
            "numbers": numbers(verdict),
        }


@dataclass(frozen=True)
class Backtest:
    """How it would have ended, when (Unix seconds; None: it would not have), and what was said on the way."""

    outcome: str
    ended_at: float | None
    findings: tuple[BacktestPoint, ...]

    @property
    def view(self) -> Mapping[str, Any]:
        """The result as JSON values."""
        found = [finding.view for finding in self.findings]
        return {"outcome": self.outcome, "ended_at": self.ended_at, "decisions": found}


def backtest(metrics: Metrics, stable: str, canary: str, profile: Profile, span: TimeRange) -> Backtest:
    """Follow a policy through recorded data.

    Raises:
        canary.errors.MetricsDown: the history before the span cannot be read.
    """
    rollout = Rollout(
        id="backtest",
        stable=stable,
        canary=canary,
        replicas=1,
        profile=profile,
        started_at=span.begin,
        started_by="backtest",
        phase=Phase.PROGRESSING,
        phase_since=span.begin,
        step=0,
    )
    reading, since, findings = read_history(metrics, rollout, span.begin), span.begin, list[BacktestPoint]()
    for at in span.ticks:
        reading, down = _tick(metrics, rollout, reading, at)
        verdict = _verdict(rollout, reading.ledger, Moment(at, at - since, down))
        findings += (
            [BacktestPoint(at, rollout.weight, verdict)] if _is_news(findings, rollout, verdict) else []
        )
        decision = decide(rollout, verdict)
        moved = transition(rollout, decision, at)
        since = at if decision.action is Action.ADVANCE else since
        rollout = moved
        if rollout.phase in ENDS:
            return Backtest(ENDS[rollout.phase], at, tuple(findings))
    return Backtest(UNDECIDED, None, tuple(findings))


def _tick(metrics: Metrics, rollout: Rollout, reading: Measured, at: float) -> tuple[Measured, str]:
    # Not live: then no requests are expected of the canary.
    stage = replace(rollout.stage, live=False)
    try:
        return read_tick(metrics, rollout, stage, reading, at), ""
    except MetricsDown as error:
        return reading, error.seen


def _verdict(rollout: Rollout, ledger: Ledger, moment: Moment) -> Verdict:
    return judge(ledger, rollout.profile, rollout.stage, moment)


def _is_news(findings: list[BacktestPoint], rollout: Rollout, verdict: Verdict) -> bool:
    """Tell whether a verdict says something new: waiting on for the same reason is no news."""
    if not findings or verdict.outcome is not Outcome.HOLD:
        return True
    last = findings[-1]
    return (last.verdict.reason, last.weight) != (verdict.reason, rollout.weight)

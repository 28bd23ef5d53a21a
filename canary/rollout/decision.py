"""The one place where it is decided what happens next."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from canary.errors import BadCommand
from canary.judge.golden import GoldenResult
from canary.judge.report import Report
from canary.judge.verdict import Outcome, Verdict
from canary.rollout.commands import Order
from canary.rollout.model import Phase, Rollout

CONTROLLER: Final = "controller"


class Action(StrEnum):
    """What the controller does, as it stands in the history."""

    START = "start"
    HOLD = "hold"
    ADVANCE = "advance"
    ROLL_BACK = "roll_back"
    ROLLED_BACK = "rolled_back"
    FAIL = "fail"
    PAUSE = "pause"
    RESUME = "resume"
    PUT_BACK = "put_back"
    ASSUME = "assume"


TURNS: Final = frozenset({Action.ADVANCE, Action.ROLL_BACK, Action.FAIL})
"""What turns a rollout towards its end, one way or the other."""


@dataclass(frozen=True)
class Decision:
    """An action, who wants it, and why: a reason for machines, a sentence for people, what was measured."""

    action: Action
    reason: str
    sentence: str
    who: str = CONTROLLER
    alert: bool = False
    report: Report | None = None
    golden: GoldenResult | None = None


def decide(rollout: Rollout, verdict: Verdict, order: Order | None = None) -> Decision:
    """Choose the next move from what is known; touch nothing.

    An abort comes before everything, a rollback before every other order: a canary that does harm goes
    back while it is paused, and while it bakes.

    Raises:
        BadCommand: the order does not fit the rollout as it stands.
    """
    if order is not None and (order.verb == "abort" or verdict.outcome is not Outcome.ROLL_BACK):
        return _obey(rollout, order, verdict)
    match verdict.outcome:
        case Outcome.ROLL_BACK:
            return _by_verdict(Action.ROLL_BACK, verdict)
        case Outcome.FAIL:
            return _by_verdict(Action.FAIL, verdict)
        case Outcome.ADVANCE if rollout.phase is not Phase.PAUSED:
            return _by_verdict(Action.ADVANCE, verdict)
        case Outcome.ADVANCE:
            return Decision(
                Action.HOLD,
                "paused",
                f"paused, else it would go on: {verdict.sentence}",
                report=verdict.report,
            )
        case _:
            return _by_verdict(Action.HOLD, verdict)


def _by_verdict(action: Action, verdict: Verdict) -> Decision:
    return Decision(action, verdict.reason, verdict.sentence, alert=verdict.alert, report=verdict.report)


def _obey(rollout: Rollout, order: Order, verdict: Verdict) -> Decision:
    match order.verb:
        case "abort":
            _check(rollout.phase is not Phase.ROLLING_BACK, "the traffic is on its way back already")
            return _by_hand(Action.ROLL_BACK, order, "aborted: all traffic goes back to the stable", verdict)
        case "pause":
            _check(rollout.phase is not Phase.PAUSED, "it is paused already: `resume` lets it go on")
            _check(rollout.phase is not Phase.ROLLING_BACK, "the traffic is on its way back")
            return _by_hand(Action.PAUSE, order, "paused; it is still judged and can be rolled back", verdict)
        case "resume":
            _check(rollout.phase is Phase.PAUSED, f"it is not paused but {rollout.phase.value}")
            return _by_hand(Action.RESUME, order, "goes on from where it was paused", verdict)
        case "promote":
            _check(
                rollout.weighted, f"it is {rollout.acting.value}: the canary must be ready and have traffic"
            )
            words = f"moved one step on by hand, past the evidence; the judge said: {verdict.sentence}"
            return _by_hand(Action.ADVANCE, order, words, verdict)


def _by_hand(action: Action, order: Order, sentence: str, verdict: Verdict) -> Decision:
    return Decision(
        action, f"by_hand:{order.verb}", f"{order.by}: {sentence}", who=order.by, report=verdict.report
    )


def _check(fits: bool, why_not: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not fits:
        raise BadCommand(why_not)

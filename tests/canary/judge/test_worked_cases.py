"""The worked cases of the design note: 5 s ticks after 120 history ticks of 500 requests and 1 error."""

from dataclasses import replace

import pytest

from canary.judge.profiles import DEFAULT
from canary.judge.rules import Moment, judge
from canary.judge.verdict import Outcome, Verdict
from tests.canary.worlds import ERRORS_ONLY, FIRST, LAST, after_history, verdict

TOLERANCE = 1e-6


def evidence(of: Verdict) -> float:
    assert of.report is not None
    return of.report.evidence


def test_one_failure_in_three_canary_requests_is_only_suspect() -> None:
    # The figure belongs to the 57 stable requests that go with 3 canary requests at 5 %.
    said = verdict([(57, 0, 3, 1)])
    assert (said.outcome, said.reason) == (Outcome.HOLD, "suspect")
    assert evidence(said) == pytest.approx(2.42797, abs=5e-6)  # the note prints six digits
    assert verdict([(475, 0, 3, 1)]).reason == "suspect"


def test_a_scrape_in_which_all_fails_does_not_decide_alone() -> None:
    said = verdict([(475, 0, 25, 25)])
    assert (said.outcome, said.reason) == (Outcome.HOLD, "suspect")
    assert evidence(said) == pytest.approx(55.0882, rel=TOLERANCE)


def test_the_second_scrape_in_which_all_fails_rolls_back_by_the_breaker() -> None:
    said = verdict([(475, 0, 25, 25)] * 2)
    assert (said.outcome, said.reason) == (Outcome.ROLL_BACK, "breaker")
    assert evidence(said) == pytest.approx(52016.3, rel=TOLERANCE)


def test_a_healthy_canary_holds_for_the_soak_and_then_advances() -> None:
    before, after = verdict([(475, 1, 25, 0)] * 11), verdict([(475, 1, 25, 0)] * 12)
    assert (before.outcome, before.reason) == (Outcome.HOLD, "soak")
    assert evidence(before) == pytest.approx(0.162998, abs=TOLERANCE)
    assert (after.outcome, after.reason) == (Outcome.ADVANCE, "advance")
    assert evidence(after) == pytest.approx(0.155625, abs=TOLERANCE)


def test_both_versions_at_twenty_per_cent_are_a_common_incident() -> None:
    said = verdict([(475, 95, 25, 5)])
    assert (said.outcome, said.reason) == (Outcome.HOLD, "common_incident")


def test_a_minute_without_samples_is_no_data_with_an_alert() -> None:
    said = judge(after_history(), ERRORS_ONLY, FIRST, Moment(595 + 60, 60))
    assert (said.outcome, said.reason, said.alert) == (Outcome.HOLD, "no_data", True)


@pytest.mark.parametrize(("next_weight", "too_few", "enough"), [(20, 20, 25), (50, 55, 63)])
def test_a_clean_canary_advances_after_the_stated_number_of_requests(
    next_weight: int, too_few: int, enough: int
) -> None:
    stage = replace(FIRST, next_weight=next_weight)
    assert verdict([(100, 0, too_few, 0)], stage=stage, elapsed=60).reason == "collecting:errors"
    assert verdict([(100, 0, enough + 1, 0)], stage=stage, elapsed=60).outcome is Outcome.ADVANCE


def test_a_clean_canary_is_promoted_after_1347_requests_at_the_loose_margin() -> None:
    assert verdict([(1250, 0, 1250, 0)], stage=LAST, elapsed=600).reason == "collecting:errors"
    said = verdict([(1347, 0, 1347, 0)], stage=LAST, elapsed=600)
    assert (said.outcome, said.reason) == (Outcome.ADVANCE, "promote")


def test_before_the_fallback_only_the_tight_margin_promotes() -> None:
    said = verdict([(1400, 0, 1400, 0)], stage=LAST, elapsed=300)
    assert said.reason == "collecting:errors"
    assert "which is enough in 5 min" in said.sentence


def test_the_default_profile_asks_the_same_of_latency() -> None:
    said = verdict([(475, 1, 25, 0)] * 12, profile=DEFAULT)
    assert said.reason == "collecting:slow"

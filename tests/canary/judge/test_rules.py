from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.judge.policy import Margin
from canary.judge.profiles import DEFAULT, FAST, LOW_TRAFFIC, PROFILES
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage
from canary.judge.verdict import Outcome
from canary.measure.counts import Tick
from tests.canary.worlds import (
    BAKE,
    ERRORS_ONLY,
    FIRST,
    LAST,
    TICK_S,
    after_history,
    observed,
    pod_tick,
    tick,
    ticks_of,
    verdict,
)


def test_the_sentence_of_a_rollback_names_rates_evidence_and_requests() -> None:
    said = verdict([(475, 1, 25, 20)] * 2)
    assert said.sentence.startswith("errors: canary 80.00 % vs stable 0.21 % (x380); evidence ")
    assert said.sentence.endswith(", 100 is enough to roll back; 50 requests")


def test_the_sentence_of_collecting_says_how_many_requests_and_how_long() -> None:
    said = verdict([(50, 0, 50, 0)] * 24, stage=LAST, elapsed=700)
    assert said.reason == "collecting:errors"
    assert said.sentence == (
        "errors: needs about 147 more canary requests (15 s at this rate) "
        "to prove it is not worse than 1.5x + 0.5 points"
    )


def test_without_canary_requests_the_sentence_says_that_none_come() -> None:
    said = verdict([(500, 1, 0, 0)], elapsed=700)
    assert said.reason == "collecting:errors"
    assert "no canary requests come" in said.sentence


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([(0, 0, 0, 0), (500, 1, 0, 0)]), min_size=1, max_size=20),
    st.sampled_from([FIRST, LAST, BAKE]),
    st.sampled_from(sorted(PROFILES)),
)
def test_no_data_is_never_success(numbers: list[tuple[int, int, int, int]], stage: Stage, name: str) -> None:
    said = verdict(
        numbers, profile=PROFILES[name], stage=replace(stage, step=min(stage.step, 1)), elapsed=1e6
    )
    assert said.outcome is not Outcome.ADVANCE


def test_stale_samples_stop_an_advance_that_was_due() -> None:
    ledger = observed(after_history(), ticks_of([(475, 1, 25, 0)] * 12))
    assert judge(ledger, ERRORS_ONLY, FIRST, Moment(655, 60)).outcome is Outcome.ADVANCE
    later = judge(ledger, ERRORS_ONLY, FIRST, Moment(655 + 3 * TICK_S, 75))
    assert (later.reason, later.alert) == ("no_data", False)


def test_a_metrics_system_that_is_down_is_told_from_no_data() -> None:
    ledger = observed(after_history(), ticks_of([(475, 1, 25, 0)] * 12))
    said = judge(ledger, ERRORS_ONLY, FIRST, Moment(660, 65, "connection refused"))
    assert (said.outcome, said.reason, said.alert) == (Outcome.HOLD, "metrics_down", False)
    assert judge(ledger, ERRORS_ONLY, FIRST, Moment(715, 120, "connection refused")).alert


def test_a_canary_that_answers_nothing_for_a_minute_is_rolled_back() -> None:
    numbers = [(475, 1, 0, 0)] * 12
    assert verdict(numbers[:11]).outcome is Outcome.HOLD
    said = verdict(numbers)
    assert (said.outcome, said.reason) == (Outcome.ROLL_BACK, "canary_silent")
    assert "300 requests be expected" in said.sentence


def test_a_canary_without_any_sample_is_silent_as_well() -> None:
    ticks = [
        replace(each, fresh_canary=False, stable=tick(0, (475 * (k + 1), 0, 0, 0)).stable)
        for k, each in enumerate(ticks_of([(0, 0, 0, 0)] * 13))
    ]
    said = judge(observed(after_history(), ticks), ERRORS_ONLY, FIRST, Moment(660, 60))
    assert (said.outcome, said.reason) == (Outcome.ROLL_BACK, "canary_silent")
    assert "325 requests be expected" in said.sentence  # the counts of stale ticks come again: not summed


def test_a_canary_of_a_service_without_traffic_is_not_silent() -> None:
    assert verdict([(10, 0, 0, 0)] * 24).outcome is Outcome.HOLD


def test_a_canary_that_the_gateway_sees_answering_is_not_silent() -> None:
    seen = [replace(each, fresh_canary=False, canary_seen=25) for each in ticks_of([(475, 1, 0, 0)] * 24)]
    said = judge(observed(after_history(), seen), ERRORS_ONLY, FIRST, Moment(720, 120))
    assert said.reason == "no_data"


def uncounted(side: str, sent: int, ticks: Sequence[Tick]) -> list[Tick]:
    """Return the ticks as they are where the gateway alone counts what was sent to a side."""
    if side == "stable":
        return [replace(each, stable=(), stable_seen=sent) for each in ticks]
    return [replace(each, canary=(), canary_seen=sent) for each in ticks]


@pytest.mark.parametrize("side", ["stable", "canary"])
def test_a_version_that_gets_requests_and_is_counted_nowhere_is_broken_evidence(side: str) -> None:
    ledger = observed(after_history(), uncounted(side, 50, ticks_of([(475, 1, 25, 8)] * 24)))
    said = judge(ledger, ERRORS_ONLY, FIRST, Moment(720, 120))
    assert (said.outcome, said.reason) == (Outcome.HOLD, f"uncounted:{side}")
    assert f"sent 1,200 requests to the {side}" in said.sentence
    counted = observed(ledger, [tick(720, (475, 1, 25, 0))])
    assert not judge(counted, ERRORS_ONLY, FIRST, Moment(725, 125)).reason.startswith("uncounted")


def test_what_the_gateway_sent_in_stale_ticks_comes_again_and_is_not_added_up() -> None:
    ticks = [replace(each, fresh_canary=False) for each in ticks_of([(475, 1, 0, 0)] * 3)]
    ledger = observed(after_history(), uncounted("canary", 15, ticks))
    assert ledger.presence.canary_uncounted.requests == 15


def test_a_few_requests_that_are_not_counted_are_no_broken_evidence() -> None:
    ledger = observed(after_history(), uncounted("canary", 19, [tick(600, (475, 1, 0, 0))]))
    assert not judge(ledger, ERRORS_ONLY, FIRST, Moment(700, 100)).reason.startswith("uncounted")


def test_time_without_metrics_does_not_make_a_canary_silent() -> None:
    ledger = observed(after_history(), ticks_of([(475, 1, 0, 0)] * 6))
    said = judge(ledger, ERRORS_ONLY, FIRST, Moment(2000, 1400, "connection refused"))
    assert said.reason == "metrics_down"


def test_one_bad_pod_of_two_is_named_and_does_not_convict_the_version() -> None:
    ticks = [pod_tick(600 + 5 * k, (450, 1), {"good": (25, 0), "bad": (25, 20)}) for k in range(12)]
    said = judge(observed(after_history(), ticks), ERRORS_ONLY, FIRST, Moment(660, 60))
    assert (said.outcome, said.reason, said.alert) == (Outcome.HOLD, "single_pod", True)
    assert "without pod bad" in said.sentence


def test_two_bad_pods_convict_the_version() -> None:
    ticks = [pod_tick(600 + 5 * k, (450, 1), {"a": (25, 8), "b": (25, 8)}) for k in range(3)]
    said = judge(observed(after_history(), ticks), ERRORS_ONLY, FIRST, Moment(615, 15))
    assert said.outcome is Outcome.ROLL_BACK


def test_no_single_scrape_rolls_back_by_harm_alone() -> None:
    profile = replace(ERRORS_ONLY, metrics=(replace(ERRORS_ONLY.metrics[0], breaker=None),))
    assert verdict([(475, 0, 25, 25)], profile=profile).outcome is Outcome.HOLD


def test_a_weight_that_is_not_proved_cannot_be_left() -> None:
    ledger = observed(after_history(), ticks_of([(475, 1, 25, 0)] * 12))
    assert judge(ledger, ERRORS_ONLY, FIRST, Moment(655, None)).reason == "weight_unproved"


def test_the_bake_is_judged_against_the_stable_s_former_rate_and_says_so() -> None:
    good = verdict([(0, 0, 500, 2)] * 12, stage=BAKE)
    assert good.reason == "bake"
    assert "judged against the stable's former rate" in good.sentence
    bad = verdict([(3, 0, 500, 25)] * 12, stage=BAKE)
    assert bad.outcome is Outcome.ROLL_BACK
    assert bad.sentence.startswith("errors: canary 5.00 % vs 0.20 % of the stable before; evidence ")


def test_a_bake_ends_well_when_its_time_is_over() -> None:
    said = verdict([(0, 0, 500, 1)] * 12, stage=BAKE, elapsed=600)
    assert (said.outcome, said.reason) == (Outcome.ADVANCE, "baked")


def test_a_bake_needs_no_sample_of_the_stable() -> None:
    ticks = [replace(each, fresh_stable=False) for each in ticks_of([(0, 0, 500, 1)] * 12)]
    said = judge(observed(after_history(), ticks, stage=BAKE), ERRORS_ONLY, BAKE, Moment(655, 600))
    assert said.outcome is Outcome.ADVANCE


def test_same_input_gives_the_same_verdict() -> None:
    assert verdict([(475, 1, 25, 1)] * 7) == verdict([(475, 1, 25, 1)] * 7)


def test_all_traffic_failing_alike_never_convicts_the_canary() -> None:
    said = verdict([(475, 380, 25, 20)] * 40)
    assert said.outcome is Outcome.HOLD


def test_both_metrics_must_be_proved() -> None:
    both = [_both(600 + 5 * k, slow=0) for k in range(12)]
    slow = [_both(600 + 5 * k, slow=10) for k in range(12)]
    good = judge(observed(after_history(DEFAULT), both, DEFAULT), DEFAULT, FIRST, Moment(655, 60))
    bad = judge(observed(after_history(DEFAULT), slow, DEFAULT), DEFAULT, FIRST, Moment(655, 60))
    assert good.outcome is Outcome.ADVANCE
    assert bad.outcome is Outcome.ROLL_BACK
    assert bad.sentence.startswith("slow: ")


def _both(at: float, slow: int) -> Tick:
    errors, latency = tick(at, (475, 1, 25, 0)), tick(at, (475, 5, 25, slow), "slow")
    stable = replace(errors.stable[0], metrics={**errors.stable[0].metrics, **latency.stable[0].metrics})
    canary = replace(errors.canary[0], metrics={**errors.canary[0].metrics, **latency.canary[0].metrics})
    return replace(errors, stable=(stable,), canary=(canary,))


def test_the_fast_profile_says_what_it_is() -> None:
    assert "demos and drills only" in FAST.description


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_no_margin_of_a_profile_is_wider_than_the_one_it_falls_back_to(name: str) -> None:
    for metric in PROFILES[name].metrics:
        rates = (0.0, 0.01, 0.1)
        assert all(metric.tolerated.of(p) <= metric.stated.of(p) for p in rates)
        assert all(metric.tight.of(p) <= metric.stated.of(p) for p in rates)


def test_the_low_traffic_profile_has_the_stated_weights_and_margin() -> None:
    assert [(step.weight, step.soak_s) for step in LOW_TRAFFIC.steps] == [(20, 60), (50, 120)]
    assert LOW_TRAFFIC.metrics[0].stated == Margin(1.5, 2)

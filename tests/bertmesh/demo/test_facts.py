"""The demo's figures."""

import pytest
from scipy import stats

from bertmesh.demo.facts import (
    SplitSeen,
    WeightPeriod,
    answered_by,
    failures,
    seen_in,
    split_p,
    strangers,
    unheard,
    within,
)
from bertmesh.demo.traffic import Response


def answer(sent_at: float, version: str = "1.0", status: int = 200) -> Response:
    return Response(sent_at, 0.01, "fill-mask", status, version)


def test_a_stage_counts_who_answered_the_requests_sent_well_inside_it() -> None:
    sent = [answer(10.1, "1.1"), answer(11, "1.1"), answer(12), answer(13), answer(19.9, "1.1")]
    assert seen_in(WeightPeriod(20, 10.0, 20.0), sent, canary="1.1") == SplitSeen(
        20, 10.0, stable=2, canary=1
    )


def test_requests_without_an_answer_are_on_nobodys_side() -> None:
    assert seen_in(WeightPeriod(20, 0.0, 20.0), [answer(5, "", 0)], canary="1.1") == SplitSeen(20, 20.0, 0, 0)


def test_p_of_one_stage_is_the_chi_square_p_of_its_counts() -> None:
    expected = stats.chisquare([8979, 1021], [9000, 1000]).pvalue
    assert split_p([SplitSeen(10, 1.0, 8979, 1021)]) == pytest.approx(expected)


def test_stages_that_leave_nothing_to_chance_have_no_p() -> None:
    assert split_p([SplitSeen(0, 1.0, 50, 0), SplitSeen(100, 1.0, 0, 50), SplitSeen(5, 1.0, 0, 0)]) is None


def test_a_wrong_split_has_a_small_p() -> None:
    p = split_p([SplitSeen(5, 1.0, 500, 500), SplitSeen(20, 1.0, 800, 200)])
    assert p is not None
    assert p < 1e-6


def test_what_was_sent_before_or_answered_after_a_time_is_not_within_it() -> None:
    sent = [answer(9.995), answer(10), answer(19), answer(19.995)]
    assert within(10, 20, sent) == sent[1:3]


def test_answers_of_unknown_versions_are_counted_by_name_and_missing_ones_are_nobodys() -> None:
    sent = [answer(1), answer(2, "1.1"), answer(3, "0.9"), answer(4, "0.9"), answer(5, "", 0)]
    assert strangers({"1.0", "1.1"}, sent) == {"0.9": 2}


def test_a_weight_is_unheard_if_no_answer_was_on_its_way_while_it_was_live() -> None:
    stages = [WeightPeriod(5, 0.0, 10.0), WeightPeriod(20, 10.0, 20.0), WeightPeriod(50, 20.0, 30.0)]
    assert unheard(stages, [answer(9.995)]) == [50]
    assert unheard(stages, [answer(11)]) == [5, 50]


@pytest.mark.parametrize("status", [0, 400, 404, 408, 413, 422, 500, 503, 504])
def test_failures_are_missing_answers_and_errors(status: int) -> None:
    assert failures([answer(1), answer(2, status=status)]) == 1


def test_to_be_told_to_come_again_is_no_failure() -> None:
    assert failures([answer(4, status=429)]) == 0


def test_stages_in_which_too_few_requests_were_to_be_expected_say_nothing() -> None:
    enough, few = SplitSeen(5, 1.0, 95, 5), SplitSeen(5, 1.0, 31, 9)
    assert split_p([few]) is None
    assert split_p([enough, few]) == split_p([enough])


def test_what_a_version_answered_is_told_apart() -> None:
    sent = [answer(3, "1.1"), answer(9), answer(12, "1.1")]
    assert answered_by("1.1", sent) == [sent[0], sent[2]]
    assert answered_by("2.0", sent) == []

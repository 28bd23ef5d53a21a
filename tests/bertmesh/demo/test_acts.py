"""Which promises an act of the demo has broken."""

from collections.abc import Sequence
from dataclasses import replace

from bertmesh.demo.acts import ACTS, OUT_AFTER, PROFILE, WEIGHTS, Act, ActResult
from bertmesh.demo.facts import WeightPeriod
from bertmesh.demo.proofs import OnFile, Succession
from bertmesh.demo.traffic import Response
from canary.rollout.decision import Action
from canary.rollout.history import Entry
from canary.rollout.model import Rollout

GOOD, FAILING, SLOW, KILLED = ACTS


# What a promoted canary must have had: each weight for 20 s, and an answer in each of them.
ON_ITS_WAY = tuple(WeightPeriod(weight, 110.0 + 20 * n, 130.0 + 20 * n) for n, weight in enumerate(WEIGHTS))


def answers(count: int, version: str, *, status: int = 200) -> list[Response]:
    return [Response(110.0 + 0.1 * n, 0.01, "fill-mask", status, version) for n in range(count)]


def heard(act: Act) -> list[Response]:
    """Return an answer of the canary at each weight: so few say nothing about the split."""
    return [Response(stage.begin + 1, 0.01, "fill-mask", 200, act.canary) for stage in ON_ITS_WAY]


def entry(number: int, at: float, reason: str, weight_from: int, weight_to: int) -> Entry:
    return Entry(number, at, Action.HOLD, reason, "", "", "r1", weight_from=weight_from, weight_to=weight_to)


def outcome(act: Act, given: Sequence[Response], history: tuple[Entry, ...] = ()) -> ActResult:
    stages, more = (ON_ITS_WAY, heard(act)) if act.ends == "Promoted" else ((), [])
    return ActResult(act, "1.0", 100.0, 200.0, act.ends, "why", stages, [*given, *more], history)


def test_an_act_that_went_as_it_should_broke_nothing() -> None:
    assert outcome(GOOD, []).broken_promises() == []
    assert outcome(FAILING, answers(OUT_AFTER, FAILING.canary, status=503)).broken_promises() == []


def test_another_end_and_failed_requests_are_told() -> None:
    failed = [*answers(1, "1.0", status=503), *answers(1, "1.0", status=422)]
    told = replace(outcome(GOOD, failed), phase="RolledBack").broken_promises()
    assert told == ["ended RolledBack, promised Promoted", "2 requests failed, promised 0"]


def test_a_bad_canary_that_got_too_many_requests_is_told_however_long_it_took() -> None:
    [words] = outcome(SLOW, answers(OUT_AFTER + 1, SLOW.canary)).broken_promises()
    assert words == f"the bad canary got {OUT_AFTER + 1} requests, promised {OUT_AFTER}"


def test_requests_to_a_bad_canary_while_nothing_could_be_judged_do_not_count() -> None:
    history = (
        entry(1, 105.0, "soak", 0, 5),
        entry(2, 112.0, "common_incident", 5, 5),
        entry(3, 118.0, "soak", 5, 5),
    )
    seen = outcome(SLOW, answers(OUT_AFTER + 50, SLOW.canary), history)
    assert seen.before_it_was_out == OUT_AFTER + 50 - 60
    assert seen.broken_promises() == []


def test_an_answer_of_the_canary_before_its_first_weight_is_told() -> None:
    history = (entry(1, 105.0, "started", 0, 0), entry(2, 111.0, "ready", 0, 5))
    [words] = outcome(SLOW, answers(15, SLOW.canary), history).broken_promises()
    assert words == "the canary answered 10 requests before it had a weight"
    late = Response(110.9, 0.2, "fill-mask", 200, SLOW.canary)
    before = Response(104.0, 0.2, "fill-mask", 200, SLOW.canary)
    assert outcome(SLOW, [before, late], history).broken_promises() == []


def test_an_answer_of_a_third_version_is_told() -> None:
    [words] = outcome(SLOW, [*answers(9, "1.0"), *answers(2, "1.3")]).broken_promises()
    assert words == "2 requests were answered by 1.3, which is neither 1.0 nor the canary"


def test_a_promotion_past_a_weight_is_told() -> None:
    seen = outcome(GOOD, [])
    [words] = replace(seen, stages=(ON_ITS_WAY[0], ON_ITS_WAY[3])).broken_promises()
    assert words == "promoted by way of 5 -> 95 %, promised 5 -> 20 -> 50 -> 95 %"
    [words] = replace(seen, stages=()).broken_promises()
    assert words == "promoted by way of no weight, promised 5 -> 20 -> 50 -> 95 %"


def test_a_promotion_without_an_answer_of_the_canary_is_told() -> None:
    seen = outcome(GOOD, [])
    assert replace(seen, answers=seen.answers[1:]).broken_promises() == [
        "promoted with no answer from the canary at 5 %"
    ]
    assert len(replace(seen, answers=()).broken_promises()) == len(WEIGHTS)


def test_a_weight_in_the_routes_that_no_decision_accounts_for_is_told() -> None:
    history = (entry(1, 101.0, "advance", 0, 5), entry(2, 110.0, "advance", 5, 20))
    seen = outcome(GOOD, [], history)
    assert replace(seen, written=(0, 5, 20)).broken_promises() == []
    assert replace(seen, written=(0, 5, 50)).broken_promises() == ["50 % was written and never decided"]


def test_a_wrong_split_is_told_and_a_right_one_is_not() -> None:
    given = answers(500, "1.0") + answers(500, SLOW.canary)
    seen = replace(outcome(SLOW, given), act=replace(SLOW, out_after=None))
    assert replace(seen, stages=(WeightPeriod(50, 100.0, 200.0),)).broken_promises() == []
    [words] = replace(seen, stages=(WeightPeriod(20, 100.0, 200.0),)).broken_promises()
    assert "split" in words


def test_a_slow_canary_is_hidden_where_the_stable_took_as_long() -> None:
    rollout = Rollout("r1", "1.0", SLOW.canary, 2, PROFILE, 0.0, "demo")
    assert not SLOW.hidden_by(rollout)
    assert not SLOW.hidden_by(replace(rollout, edge="1000"))
    assert SLOW.hidden_by(replace(rollout, edge="1500"))
    assert not GOOD.hidden_by(replace(rollout, edge="1500"))


def test_the_killed_controllers_act_is_judged_by_what_was_on_file_not_by_who_looked_when() -> None:
    history = (entry(1, 101.0, "advance", 0, 20), entry(2, 110.0, "advance", 20, 50))
    before, after = OnFile("r1", history[:1], 17), OnFile("r1", history, 18)
    seen = outcome(KILLED, [], history)
    assert replace(seen, succession=Succession(105.0, 107.0, before, after)).broken_promises() == []
    lost = Succession(105.0, 107.0, before, replace(after, ticks=1))
    assert replace(seen, succession=lost).broken_promises() == [
        "the new controller lost something: 1 ticks of evidence were left of 17"
    ]
    assert seen.broken_promises() == ["the controller was not killed"]

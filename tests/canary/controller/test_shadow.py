"""Shadow agreement judged: copies before the first weight and beside the weights."""

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.judge.claims import ADVANCE_AT
from canary.judge.ledger import Ledger
from canary.judge.policy import Margin, Profile, Shadow
from canary.judge.profiles import DEFAULT, FAST, LOW_TRAFFIC, SHADOW, SLOW, shadowed
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage
from canary.judge.verdict import Outcome, Verdict
from canary.local.store import STATE
from canary.measure.counts import Counts, PodCounts, Tick
from mesh.model import Split, Weights
from tests.canary import fakes
from tests.canary.worlds import TICK_S

COPIED = shadowed(DEFAULT, 100)
REHEARSAL = Stage(next_weight=5, mirror=100)


def tick(at: float, compared: int, differed: int) -> Tick:
    stable = PodCounts("s", {"errors": Counts(500, 1)}, 1000.0)
    canary = PodCounts("c", {"shadow": Counts(compared, differed)}, 1000.0)
    return Tick(at, TICK_S, (stable,), (canary,), fresh_canary=False)


def ledger_after(
    rows: list[tuple[int, int]],
    profile: Profile = COPIED,
    stage: Stage = REHEARSAL,
    ledger: Ledger | None = None,
) -> Ledger:
    known = ledger or Ledger.empty(profile)
    for number, row in enumerate(rows):
        known = known.observe(tick(TICK_S * number, *row), profile, stage)
    return known


def said(
    rows: list[tuple[int, int]],
    *,
    profile: Profile = COPIED,
    stage: Stage = REHEARSAL,
    elapsed: float = 200.0,
) -> Verdict:
    return judge(ledger_after(rows, profile, stage), profile, stage, Moment(TICK_S * len(rows), elapsed))


def test_a_canary_that_disagrees_goes_back_before_its_first_request() -> None:
    verdict = said([(10, 8)] * 6)
    assert verdict.outcome is Outcome.ROLL_BACK
    assert verdict.reason == "harm"
    assert verdict.sentence.startswith(
        "shadow: canary 80.00 % answered differently than the stable, up to 5 % is tolerated; evidence "
    )
    assert verdict.sentence.endswith("100 is enough to roll back; 60 compared copies")


def test_a_canary_that_agrees_goes_on_after_the_stated_number_of_copies() -> None:
    enough = math.ceil(math.log(6 * ADVANCE_AT) / (0.95 * SHADOW.stated.added))
    assert enough == 51
    waiting = said([(enough - 8, 0)])
    assert waiting.reason == "collecting:shadow"
    assert "compared copies" in waiting.sentence
    assert "not worse than 10 %" in waiting.sentence
    verdict = said([(enough + 3, 0)])
    assert (verdict.outcome, verdict.reason) == (Outcome.ADVANCE, "rehearsed")
    assert "0.00 % answered differently" in verdict.sentence


def test_the_copies_last_for_their_time_however_clear_they_are() -> None:
    verdict = said([(1000, 0)], elapsed=60)
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, "soak")
    assert verdict.sentence == (
        "copies of 100 % of the stable's requests go to the canary for 60 of at least 120 s"
    )


def test_without_compared_copies_nothing_is_proved() -> None:
    verdict = said([(0, 0)] * 10)
    assert verdict.reason == "collecting:shadow"
    assert "no compared copies come" in verdict.sentence


def test_after_the_fallback_what_the_first_step_needs_is_enough() -> None:
    rows = [(20, 1)] * 4 + [(20, 2)] * 2  # 6.7 %: neither proved to be below 10 % nor harmful
    assert said(rows, elapsed=599).reason == "collecting:shadow"
    assert "which is enough in" in said(rows, elapsed=599).sentence
    assert said(rows, elapsed=600).outcome is Outcome.ADVANCE


def test_what_is_only_watched_can_roll_back_and_need_not_be_proved() -> None:
    watched = replace(COPIED, metrics=(*COPIED.metrics[:-1], replace(SHADOW, use="watched")))
    assert said([(0, 0)] * 3, profile=watched).outcome is Outcome.ADVANCE
    assert said([(10, 8)] * 6, profile=watched).outcome is Outcome.ROLL_BACK


def test_the_weight_of_the_row_is_taken_from_slow() -> None:
    for profile in (DEFAULT, LOW_TRAFFIC):
        weights = {metric.name: metric.weight for metric in shadowed(profile, 10).metrics}
        assert weights["slow"] == pytest.approx(SLOW.weight - SHADOW.weight)
        assert sum(weights.values()) == pytest.approx(1.0)
    assert shadowed(DEFAULT, 0) is DEFAULT
    assert [m.name for m in shadowed(FAST, 0, 5).metrics].count("shadow") == 1
    with pytest.raises(ValueError, match="0 to 100 per cent, got 101"):
        Shadow(101)


def test_what_is_stored_of_a_rehearsal_is_read_again() -> None:
    stage = fakes.Stage()
    stage.start(shadow=100)
    stage.run(60, until=lambda: stage.phase == "Rehearsing")
    stage.run(3)
    again = STATE.validate_json(STATE.dump_json(stage.state))
    assert again == stage.state
    assert again.rollout is not None
    assert again.rollout.profile.shadow == Shadow(100, 10.0, 0)


def simulated(rate: float, seed: int, ticks: int = 240) -> tuple[bool, bool]:
    """Return whether a canary with this rate of disagreement is rolled back, and whether it goes on."""
    random, known = Random(seed), Ledger.empty(COPIED)
    for number in range(ticks):
        differed = sum(random.random() < rate for _ in range(10))
        known = known.observe(tick(TICK_S * number, 10, differed), COPIED, REHEARSAL)
        verdict = judge(known, COPIED, REHEARSAL, Moment(TICK_S * number, min(TICK_S * number, 599.0)))
        if verdict.outcome is not Outcome.HOLD:
            return verdict.outcome is Outcome.ROLL_BACK, verdict.outcome is Outcome.ADVANCE
    return False, False


def test_the_declared_error_rates_hold_for_copies() -> None:
    """At what is tolerated at most 1 % are rolled back; at what is stated at most 1 in 20 goes on here."""
    tolerated = [simulated(SHADOW.tolerated.added, seed) for seed in range(40)]
    stated = [simulated(SHADOW.stated.added, seed) for seed in range(40)]
    assert sum(back for back, _ in tolerated) <= 2
    assert sum(on for _, on in stated) <= 5


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 1)), max_size=12), st.integers(0, 12))
def test_the_masses_of_rehearsal_and_steps_together_stay_below_one(
    rows: list[tuple[int, float]], cut: int
) -> None:
    """Without any event every factor is 1, so that E of HARM is the mass that has been spent."""
    profile = shadowed(DEFAULT, 100, 100)
    known = ledger_after([(0, 0)] * min(cut, len(rows)), profile)
    for step, _ in enumerate(rows[cut:]):
        for number in range(3):
            at = Stage(step, 5 + step, 6 + step, mirror=100)
            known = known.observe(replace(tick(1000.0 + number, 0, 0), fresh_canary=True), profile, at)
    assert known.metrics[-1].whole.harm_value <= 1.0 + 1e-9


def test_an_equal_canary_goes_through_the_rehearsal_and_on_to_the_end() -> None:
    stage = fakes.Stage()
    answer = stage.start(shadow=50)
    assert "copies of the stable's requests go to it: 50 % before the first weight" in answer.message
    stage.run(60, until=lambda: stage.phase == "Rehearsing")
    assert stage.router.live == Split("1.0", "1.1", Weights(0), mirror=50)
    stage.run(300)
    assert stage.phase == "Promoted"
    assert [split.mirror for split in stage.router.past if split.weights.canary] == [0, 0, 0, 0]
    rehearsed = next(entry for entry in stage.state.history if entry.reason == "rehearsed")
    assert "proved not worse than 30 %" in rehearsed.sentence


def test_a_canary_that_answers_otherwise_never_gets_a_weight() -> None:
    stage = fakes.Stage(differs={"1.1": 0.9})
    stage.start(shadow=50)
    stage.run(120)
    assert stage.phase == "RolledBack"
    assert {split.weights.canary for split in stage.router.past} == {0}
    assert stage.router.live == Split("1.0")
    assert stage.workloads.pods["1.1"] == 0
    assert any("shadow: canary 90" in entry.sentence for entry in stage.state.history)


def test_copies_beside_the_weights_are_judged_too() -> None:
    stage = fakes.Stage(rps=200.0)
    stage.start(shadow=50, shadow_during=20)
    stage.run(120, until=lambda: stage.router.live.weights.canary == 20)
    assert stage.router.live == Split("1.0", "1.1", Weights(20), mirror=20)
    stage.traffic.differs["1.1"] = 0.9
    stage.run(60)
    assert stage.phase == "RolledBack"
    assert any(entry.reason == "harm" and "shadow" in entry.sentence for entry in stage.state.history)


def test_copies_end_with_the_bake() -> None:
    stage = fakes.Stage(rps=200.0)
    stage.start(shadow_during=20)
    stage.run(300)
    assert stage.phase == "Promoted"
    assert [(split.weights.canary, split.mirror) for split in stage.router.past] == [
        (0, 0),
        (5, 20),
        (20, 20),
        (50, 20),
        (100, 0),
        (0, 0),
    ]


def test_a_rehearsal_without_comparisons_waits_and_can_be_aborted() -> None:
    stage = fakes.Stage(matched=False)
    stage.start(shadow=50)
    stage.run(100)
    assert (stage.phase, stage.reason) == ("Rehearsing", "collecting:shadow")
    assert stage.order("abort").ok
    stage.run(10)
    assert stage.phase == "RolledBack"


def test_the_margins_of_one_sample_are_said_as_shares() -> None:
    assert str(Margin(0.0, 10)) == "10 %"
    assert str(Margin(1.5, 0.5)) == "1.5x + 0.5 points"

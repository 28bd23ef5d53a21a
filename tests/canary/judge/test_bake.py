"""The bake: most of the traffic is on the canary, and a holdback stays with the stable to compare with."""

from dataclasses import replace

import pytest

from canary.judge.policy import Profile
from canary.judge.profiles import DEFAULT, FAST
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage as JudgeStage
from canary.judge.verdict import Outcome
from mesh.model import Split, Weights
from tests.canary.fakes import Stage
from tests.canary.worlds import BAKE, ERRORS_ONLY, Numbers, after_history, observed, ticks_of

HOLDBACK = JudgeStage(3, 95, 100, final=True)
PATIENT = replace(FAST, holdback=5, bake_s=30.0)


def baking(world: Stage) -> bool:
    return world.phase == "Baking"


def baked(numbers: list[Numbers], stage: JudgeStage, elapsed: float = 700.0) -> str:
    """Return the judge's reason after ticks of a bake."""
    ticks = ticks_of(numbers)
    ledger = observed(after_history(), ticks, stage=stage)
    return judge(ledger, ERRORS_ONLY, stage, Moment(ticks[-1].at, elapsed)).reason


def test_the_bake_leaves_the_holdback_with_the_stable_until_it_is_over() -> None:
    world = Stage()
    world.start(policy=PATIENT)
    world.run(until=lambda: baking(world))
    world.run(3)
    assert world.router.live == Split("1.0", "1.1", Weights(95))
    world.run(60)
    assert world.phase == "Promoted"
    assert world.router.live == Split("1.1")


def test_a_canary_that_goes_bad_in_the_bake_goes_back() -> None:
    world = Stage()
    world.start(policy=PATIENT)
    world.run(until=lambda: baking(world))
    world.traffic.bad = {"1.1": 0.3}
    world.run(25)
    assert world.phase == "RolledBack"
    assert world.router.live == Split("1.0")


def test_a_holdback_tells_a_common_incident_from_a_bad_canary() -> None:
    both = [(25, 6, 475, 114)] * 16
    assert baked(both, HOLDBACK) == "common_incident"
    assert baked([(0, 0, 500, 120)] * 6, BAKE) == "breaker"


def test_a_canary_far_worse_than_the_holdback_goes_back() -> None:
    assert baked([(25, 0, 475, 200)] * 6, HOLDBACK) in {"breaker", "harm"}


def test_the_words_say_what_a_bake_compares_with() -> None:
    ticks = ticks_of([(25, 0, 475, 1)] * 3)
    ledger = observed(after_history(), ticks, stage=HOLDBACK)
    said = judge(ledger, ERRORS_ONLY, HOLDBACK, Moment(ticks[-1].at, 15.0))
    assert said.outcome is Outcome.HOLD
    assert said.sentence == (
        "baking at 95 %: the other 5 % stay with the stable, to compare with, 15 of 600 s"
    )


def test_the_default_profile_keeps_a_holdback_and_never_falls_below_its_last_step() -> None:
    assert DEFAULT.bake_weight == 95
    assert DEFAULT.with_weights((10, 99)).bake_weight == 99


@pytest.mark.parametrize("holdback", [-1, 6, 100])
def test_a_senseless_holdback_is_refused(holdback: int) -> None:
    with pytest.raises(ValueError, match="holdback is from 0 to 5"):
        _ = replace_holdback(DEFAULT, holdback)


def replace_holdback(profile: Profile, holdback: int) -> Profile:
    return replace(profile, holdback=holdback)

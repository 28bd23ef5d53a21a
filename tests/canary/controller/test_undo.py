"""The way back to what was stable before, on fakes."""

from dataclasses import replace

import pytest

from canary.judge.policy import Shadow, Step
from canary.judge.profiles import AT_ONCE, DEFAULT, FAST, shadowed
from canary.rollout.commands import OrderResult, Undo
from mesh.model import Split
from tests.canary.fakes import Stage


def undo(stage: Stage, *, at_once: bool = False, why: str = "complaints") -> OrderResult:
    return stage.send(Undo("undo", "ann", stage.clock.time, why, at_once=at_once))


@pytest.fixture
def promoted() -> Stage:
    stage = Stage()
    stage.start("1.1")
    stage.run()
    stage.run(3)
    assert (stage.state.stable, stage.state.previous) == ("1.1", "1.0")
    assert stage.workloads.status("1.0").wanted == 0
    return stage


def test_the_former_stable_comes_back_in_steps_and_the_history_says_who_and_why(promoted: Stage) -> None:
    promoted.router.past.clear()
    answer = undo(promoted)
    assert answer.ok
    assert answer.message.startswith("ann: undo (complaints): 1.1 -> 1.0, which was stable before, in steps")
    promoted.run()
    assert (promoted.state.stable, promoted.state.previous) == ("1.0", "1.1")
    assert {5, 20, 50} <= {split.weights.canary for split in promoted.router.past}
    assert promoted.workloads.status("1.1").wanted == 0
    begun = next(entry for entry in promoted.state.history if entry.reason == "by_hand:undo")
    assert (begun.who, begun.stable, begun.canary) == ("ann", "1.1", "1.0")


def test_undone_at_once_all_traffic_moves_when_the_pods_are_ready_even_without_metrics(
    promoted: Stage,
) -> None:
    promoted.traffic.down = "connection refused"
    assert undo(promoted, at_once=True).ok
    promoted.router.past.clear()
    promoted.run(60)
    assert promoted.phase == "Promoted"
    assert promoted.router.live == Split("1.0")
    assert {split.weights.canary for split in promoted.router.past} == {0, 100}
    assert promoted.state.latest is not None
    assert "nothing was judged" in promoted.state.latest.sentence


def test_not_even_at_once_does_traffic_go_to_pods_that_are_not_ready(promoted: Stage) -> None:
    promoted.workloads.broken["1.0"] = "no model folder"
    undo(promoted, at_once=True)
    promoted.run(AT_ONCE.ready_s + 30)
    assert promoted.phase == "Failed"
    assert promoted.router.live == Split("1.1")


def test_an_undo_at_once_can_be_aborted_while_the_other_version_is_kept_warm(promoted: Stage) -> None:
    undo(promoted, at_once=True)
    promoted.run(until=lambda: promoted.phase == "Baking")
    promoted.run(3)
    assert promoted.workloads.status("1.1").wanted == 2
    assert promoted.order("abort").ok
    promoted.run()
    assert (promoted.phase, promoted.state.stable) == ("RolledBack", "1.1")


def test_an_undo_can_be_undone(promoted: Stage) -> None:
    undo(promoted, at_once=True)
    promoted.run()
    promoted.send(Undo("again", "ben", promoted.clock.time))
    promoted.run(3600, step=5)  # what was not judged has no policy of its own: by the default one
    assert (promoted.state.stable, promoted.state.previous) == ("1.1", "1.0")


def test_a_rollback_leaves_nothing_to_undo() -> None:
    stage = Stage(bad={"1.1": 0.3})
    stage.start("1.1")
    stage.run()
    answer = undo(stage)
    assert not answer.ok
    assert "nothing to undo: '1.0' is stable" in answer.message


def test_an_undo_waits_for_no_rollout_but_says_how_to_end_it(promoted: Stage) -> None:
    promoted.start("1.2")
    answer = undo(promoted)
    assert not answer.ok
    assert "a rollout of '1.2' is in progress" in answer.message
    assert "rollout abort" in answer.message


def test_the_way_back_is_judged_by_the_policy_of_the_rollout_that_it_undoes(promoted: Stage) -> None:
    policy = replace(FAST, name="strict", steps=(Step(30, 5.0),))
    promoted.start("1.2", policy=shadowed(policy, 50))
    promoted.run()
    assert promoted.state.stable == "1.2"
    assert undo(promoted).ok
    begun = promoted.state.rollout
    assert begun is not None
    assert (begun.profile.name, begun.profile.steps) == ("strict", policy.steps)
    assert (begun.profile.shadow, begun.mirror) == (Shadow(), 0)  # the answers are meant to differ
    assert [metric.name for metric in begun.profile.metrics] == [metric.name for metric in FAST.metrics]


def test_where_that_policy_is_not_kept_the_way_back_is_judged_by_the_default_one(promoted: Stage) -> None:
    promoted.traffic.bad = {"1.2": 0.3}
    promoted.start("1.2")
    promoted.run()
    assert (promoted.phase, promoted.state.previous) == ("RolledBack", "1.0")
    assert undo(promoted).ok
    assert promoted.state.rollout is not None
    assert promoted.state.rollout.profile == DEFAULT

from dataclasses import replace
from typing import Any

import pytest

from canary.errors import BadSteps, UnknownProfile
from canary.judge.profiles import profile
from mesh.model import Split, Weights
from tests.canary.fakes import Stage

ALL_ON_1_1 = Split("1.1")
ALL_ON_1_0 = Split("1.0")


def weights(stage: Stage) -> list[int]:
    return [split.weights.canary for split in stage.router.past]


def test_a_healthy_canary_is_promoted_step_by_step() -> None:
    stage = Stage()
    stage.start()
    stage.run()
    assert stage.phase == "Promoted"
    assert weights(stage) == [0, 5, 20, 50, 100, 0]
    assert stage.router.live == ALL_ON_1_1
    assert stage.workloads.pods == {"1.0": 0, "1.1": 2, "1.2": 0}
    assert stage.state.stable == "1.1"


def test_the_fast_profile_promotes_within_a_minute() -> None:
    stage = Stage(rps=60.0)
    begin = stage.clock.time
    stage.start()
    stage.run()
    assert stage.phase == "Promoted"
    assert stage.clock.time - begin <= 60


def test_a_canary_that_fails_is_rolled_back_and_its_pods_are_let_go() -> None:
    stage = Stage(rps=60.0, bad={"1.1": 0.3})
    stage.start()
    stage.run()
    assert stage.phase == "RolledBack"
    assert weights(stage) == [0, 5, 0]
    assert stage.router.live == ALL_ON_1_0
    assert stage.workloads.pods == {"1.0": 2, "1.1": 0, "1.2": 0}
    turn = next(entry for entry in stage.state.history if entry.action == "roll_back")
    assert "evidence" in turn.sentence
    assert turn.report is not None
    assert turn.report.evidence >= 100


def test_a_slow_canary_is_rolled_back() -> None:
    stage = Stage(rps=60.0, slow={"1.1": 1.0})
    stage.start()
    stage.run()
    assert stage.phase == "RolledBack"
    assert stage.state.rollout is not None
    assert stage.state.rollout.edge == "100"


def test_a_canary_that_goes_bad_at_the_last_step_is_rolled_back_from_there() -> None:
    stage = Stage()
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 50)
    stage.traffic.bad["1.1"] = 0.2
    stage.run()
    assert stage.phase == "RolledBack"
    assert weights(stage)[-2:] == [50, 0]


def test_a_canary_that_goes_bad_in_the_bake_goes_back_to_the_old_stable_which_is_still_warm() -> None:
    stage = Stage()
    stage.start()
    stage.run(until=lambda: stage.phase == "Baking")
    assert stage.workloads.pods["1.0"] == 2
    stage.traffic.bad["1.1"] = 0.3
    stage.run()
    assert stage.phase == "RolledBack"
    assert stage.router.live == ALL_ON_1_0


def test_a_rollback_is_not_undone_by_a_canary_that_recovers() -> None:
    stage = Stage(bad={"1.1": 0.3})
    stage.start()
    stage.run()
    stage.traffic.bad.clear()
    for _ in range(50):
        stage.clock.time += 1
        stage.tick()
    assert stage.phase == "RolledBack"
    assert stage.router.live == ALL_ON_1_0


def test_no_weight_comes_before_the_pods_are_ready() -> None:
    stage = Stage()
    stage.workloads.broken["1.1"] = "loading the model"
    stage.start()
    stage.run(30)
    assert (stage.phase, stage.router.past) == ("Warming", [])
    stage.workloads.broken.clear()
    stage.run()
    assert stage.phase == "Promoted"


def test_a_canary_that_never_becomes_ready_fails_the_rollout_without_any_traffic() -> None:
    stage = Stage()
    stage.workloads.broken["1.1"] = "exit code 1"
    stage.start()
    stage.run(profile("fast").ready_s + 60)
    assert (stage.phase, stage.router.past) == ("Failed", [])
    assert stage.workloads.pods["1.1"] == 0
    assert "exit code 1" in stage.state.history[-1].sentence


def test_without_metrics_a_rollout_does_not_begin_and_does_not_go_on() -> None:
    stage = Stage(down="connection refused")
    stage.start()
    stage.run(20)
    assert (stage.phase, stage.reason) == ("Pending", "metrics_down")
    stage.traffic.down = ""
    stage.run(until=lambda: stage.router.live.weights.canary == 20)
    stage.traffic.down = "connection refused"
    stage.run(120)
    assert stage.router.live.weights.canary == 20
    assert stage.reason == "metrics_down"
    stage.traffic.down = ""
    stage.run()
    assert stage.phase == "Promoted"


def test_without_samples_it_holds_and_then_goes_on() -> None:
    stage = Stage()
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 20)
    stage.traffic.frozen = True
    stage.run(120)
    assert (stage.reason, stage.router.live.weights.canary) == ("no_data", 20)
    assert stage.state.latest is not None
    assert stage.state.latest.alert
    stage.traffic.frozen = False
    stage.run()
    assert stage.phase == "Promoted"


def test_a_paused_rollout_stays_and_goes_on_when_resumed() -> None:
    stage = Stage()
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 5)
    assert stage.order("pause").ok
    stage.run(60)
    assert (stage.phase, stage.router.live.weights.canary) == ("Paused", 5)
    assert stage.order("resume").ok
    stage.run()
    assert stage.phase == "Promoted"


@pytest.mark.parametrize("paused_at", [0, 1, 5, 100])
def test_a_pause_works_in_every_phase(paused_at: int) -> None:
    stage = Stage()
    if paused_at == 0:
        stage.workloads.broken["1.1"] = "loading"
    stage.start()
    stage.run(until=lambda: paused_at == 0 or stage.router.live.weights.canary >= paused_at)
    assert stage.order("pause").ok
    stage.workloads.broken.clear()
    before = stage.router.live
    stage.run(30)
    assert (stage.phase, stage.router.live) == ("Paused", before)
    stage.order("resume")
    stage.run()
    assert stage.phase == "Promoted"


def test_a_paused_canary_that_does_harm_is_rolled_back() -> None:
    stage = Stage()
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 5)
    stage.order("pause")
    stage.traffic.bad["1.1"] = 0.5
    stage.run()
    assert stage.phase == "RolledBack"


def test_an_abort_works_while_paused_and_is_recorded_with_its_author() -> None:
    stage = Stage()
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 20)
    stage.order("pause")
    assert stage.order("abort").ok
    stage.run()
    assert stage.phase == "RolledBack"
    assert any(entry.who == "ann" and entry.reason == "by_hand:abort" for entry in stage.state.history)


def test_an_abort_while_the_pods_start_ends_the_rollout() -> None:
    stage = Stage()
    stage.workloads.broken["1.1"] = "loading"
    stage.start()
    assert stage.order("abort").ok
    stage.run()
    assert (stage.phase, stage.workloads.pods["1.1"]) == ("RolledBack", 0)


def test_a_promotion_by_hand_moves_one_step_and_is_recorded() -> None:
    stage = Stage(rps=0.1)
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 5)
    assert stage.order("promote").ok
    assert stage.router.live.weights.canary == 20
    entry = next(entry for entry in stage.state.history if entry.reason == "by_hand:promote")
    assert (entry.who, entry.weight_from, entry.weight_to) == ("ann", 5, 20)
    assert entry.sentence.startswith("ann: moved one step on by hand, past the evidence")


def test_a_paused_rollout_can_be_stepped_by_hand_to_its_end() -> None:
    stage = Stage(rps=0.1)
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 5)
    stage.order("pause")
    seen = []
    for _ in range(4):
        stage.order("promote")
        seen.append((stage.phase, stage.router.live.weights.canary))
    assert seen == [("Paused", 20), ("Paused", 50), ("Paused", 100), ("Promoted", 0)]
    assert stage.router.live == ALL_ON_1_1


def test_a_weight_changed_by_hand_is_put_back_and_reported() -> None:
    stage = Stage()
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 5)
    stage.router.live = Split("1.0", "1.1", Weights(90))
    stage.tick()
    assert stage.router.live == Split("1.0", "1.1", Weights(5))
    entry = next(entry for entry in stage.state.history if entry.action == "put_back")
    assert entry.alert
    assert "10 % to 1.0 and 90 % to 1.1" in entry.sentence


def test_without_a_rollout_the_stored_stable_keeps_all_traffic() -> None:
    stage = Stage()
    stage.tick()
    stage.router.live = Split("1.0", "1.2", Weights(30))
    stage.tick()
    assert stage.router.live == ALL_ON_1_0
    assert stage.state.history[-1].action == "put_back"


def test_a_router_that_refuses_is_asked_again_and_the_soak_has_not_begun() -> None:
    stage = Stage()
    stage.start()
    stage.run(until=lambda: stage.router.live.canary is not None)
    stage.router.refuses = "no healthy pod"
    stage.run(20)
    assert stage.state.live_since is None
    assert stage.router.live.weights.canary == 0
    assert [entry.reason for entry in stage.state.history].count("router") >= 1
    stage.router.refuses = ""
    stage.run()
    assert stage.phase == "Promoted"


def test_every_entry_of_the_history_is_one_log_line() -> None:
    stage = Stage(bad={"1.1": 0.3})
    stage.start()
    stage.run()
    assert [line.number for line in stage.log] == [entry.number for entry in stage.state.history]
    assert all(line.sentence for line in stage.log)


def test_waiting_for_the_same_reason_is_one_entry() -> None:
    stage = Stage()
    stage.start()
    stage.run()
    reasons = [(entry.reason, entry.phase, entry.weight_to) for entry in stage.state.history]
    assert len(reasons) == len(set(reasons)) < 40


def test_the_history_is_bounded() -> None:
    stage = Stage()
    for _ in range(150):
        stage.router.live = Split("1.0", "1.2", Weights(30))
        stage.tick()
        stage.start("nope")
    assert len(stage.state.history) <= 200
    assert len(stage.state.answers) <= 50


def test_steps_record_when_their_weight_was_live() -> None:
    stage = Stage()
    stage.start()
    stage.run()
    assert stage.state.rollout is not None
    passed = stage.state.rollout.passed
    assert [record.weight for record in passed] == [5, 20, 50, 100]
    assert all(record.until is not None and record.until - record.since >= 5 for record in passed)


def test_a_second_rollout_follows_the_first() -> None:
    stage = Stage()
    stage.start("1.1")
    stage.run()
    stage.start("1.2", steps=(30,))
    stage.run(until=lambda: stage.phase != "Promoted")
    stage.run()
    assert stage.router.live == Split("1.2")
    assert stage.workloads.pods == {"1.0": 0, "1.1": 0, "1.2": 2}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"canary": "9.9"}, "there is no version '9.9'; versions that exist: 1.0, 1.1, 1.2"),
        ({"canary": "1.0"}, "is the stable version already"),
        ({"stable": "1.2"}, "the stable version is '1.0', not '1.2'"),
        (
            {"profile": "brave"},
            "there is no profile 'brave'; profiles that exist: default, low-traffic, fast",
        ),
        ({"steps": (20, 5)}, "steps '20,5' are not usable"),
        ({"steps": (0, 50)}, "steps '0,50' are not usable"),
        ({"steps": (50, 100)}, "steps '50,100' are not usable"),
        ({"steps": ()}, "are not usable"),
    ],
)
def test_a_start_that_makes_no_sense_is_refused_with_a_reason(options: dict[str, Any], words: str) -> None:
    stage = Stage()
    answer = stage.start(**options)
    assert not answer.ok
    assert words in answer.message
    assert stage.state.rollout is None


@pytest.mark.parametrize("verb", ["pause", "resume", "promote", "abort"])
def test_an_order_without_a_rollout_is_refused(verb: str) -> None:
    answer = Stage().order(verb)
    assert not answer.ok
    assert answer.message.startswith(f"nothing to {verb}: no rollout is in progress")


def test_a_second_rollout_at_the_same_time_is_refused() -> None:
    stage = Stage()
    stage.start("1.1")
    answer = stage.start("1.2")
    assert not answer.ok
    assert "a rollout of '1.1' is in progress" in answer.message


def test_orders_that_do_not_fit_are_refused() -> None:
    stage = Stage()
    stage.workloads.broken["1.1"] = "loading"
    stage.start()
    assert "it is not paused but" in stage.order("resume").message
    assert "the canary must be ready" in stage.order("promote").message
    stage.order("pause")
    assert "paused already" in stage.order("pause").message


def test_a_command_that_comes_twice_is_carried_out_once() -> None:
    stage = Stage(rps=0.1)
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 5)
    stage.order("promote")
    stage.ids -= 1
    assert stage.order("promote").ok
    assert stage.router.live.weights.canary == 20


def test_profiles_are_found_by_name() -> None:
    assert profile("low-traffic").name == "low-traffic"
    with pytest.raises(UnknownProfile):
        profile("no")
    with pytest.raises(BadSteps):
        profile("fast", (1, 1))


def test_other_weights_take_over_the_soaks_by_position() -> None:
    steps = profile("default", (1, 2, 3, 4)).steps
    assert [(step.weight, step.soak_s) for step in steps] == [(1, 60), (2, 60), (3, 120), (4, 120)]


def test_a_rollout_keeps_the_rules_it_began_with() -> None:
    stage = Stage()
    stage.start()
    kept = stage.state.rollout
    assert kept is not None
    assert kept.profile == profile("fast")
    assert replace(kept, step=0) != kept

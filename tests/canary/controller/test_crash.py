"""The controller is killed before and after each of its writes, and goes on where it was."""

from dataclasses import dataclass

import pytest

from canary.local.store import STATE
from tests.canary.fakes import Stage


@dataclass(frozen=True)
class Play:
    """What is left when a rollout is over."""

    state: bytes
    splits: tuple[str, ...]
    pods: dict[str, int]
    answers: frozenset[str]


def scene(kind: str, *, before: int | None = None, after: int | None = None) -> tuple[Play, int]:
    stage = Stage(bad={"1.1": 0.3} if kind == "failing" else {})
    stage.passes = 6  # as many as there are in a second, so that one more makes no difference
    stage.executioner.before, stage.executioner.after = before, after
    stage.start(steps=(20,))
    if kind == "aborted":
        stage.run(until=lambda: stage.router.live.weights.canary == 20)
        stage.order("abort")
    stage.run()
    play = Play(
        STATE.dump_json(stage.state),
        tuple(f"{split.stable}/{split.canary}/{split.weights.canary}" for split in stage.router.past),
        dict(stage.workloads.pods),
        frozenset(answer.message for answer in stage.store.answers),
    )
    return play, stage.executioner.writes


@pytest.mark.parametrize("kind", ["healthy", "failing", "aborted"])
def test_a_controller_killed_at_any_write_ends_in_the_same_state_without_a_jump_of_the_weight(
    kind: str,
) -> None:
    undisturbed, writes = scene(kind)
    assert writes > 15
    for number in range(1, writes + 1):
        assert scene(kind, before=number)[0] == undisturbed, f"killed before write {number}"
        assert scene(kind, after=number)[0] == undisturbed, f"killed after write {number}"


def test_a_gap_between_two_ticks_is_only_a_bigger_tick() -> None:
    stage = Stage()
    stage.start()
    stage.run(until=lambda: stage.router.live.weights.canary == 20)
    ledger = stage.state.ledger
    assert ledger is not None
    stage.clock.time += 300
    stage.controller = stage.new_controller()
    stage.run(3)
    after = stage.state.ledger
    assert after is not None
    # All 300 s of canary requests are there, in few ticks.
    assert after.metrics[0].rollout.canary.requests - ledger.metrics[0].rollout.canary.requests >= 6000
    assert after.ticks <= ledger.ticks + 4
    stage.run()
    assert stage.phase == "Promoted"

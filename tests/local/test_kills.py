"""A controller that dies in any phase has a successor."""

import os
import signal

from bertmesh.demo.facts import failures
from bertmesh.demo.traffic import Traffic
from canary.rollout.model import Phase
from canary.rollout.state import State
from tests.local.hand import Hand

LADDER = [0, 20, 50, 100]


def test_a_controller_killed_in_every_phase_never_jumps_nor_forgets(mesh: Hand, traffic: Traffic) -> None:
    canary, rollouts = mesh.add("3.1", replicas=1), mesh.state.rollouts
    prometheus = mesh.pid("prometheus")
    os.kill(prometheus, signal.SIGSTOP)  # without the stable's past nothing is begun
    mesh.start(canary, steps="20,50")
    replaced_in(mesh, Phase.PENDING)
    os.kill(prometheus, signal.SIGCONT)
    for phase in (Phase.WARMING, Phase.REHEARSING, Phase.PROGRESSING):
        replaced_in(mesh, phase)
    assert mesh.command("rollout", "pause").returncode == 0
    replaced_in(mesh, Phase.PAUSED)
    assert mesh.command("rollout", "resume").returncode == 0
    replaced_in(mesh, Phase.BAKING)
    assert mesh.until_ended() is Phase.PROMOTED
    assert mesh.state.rollouts == rollouts + 1
    assert [step.weight for step in mesh.rollout.passed] == LADDER[1:]
    assert failures(traffic.answers()) == 0


def test_a_controller_killed_on_the_way_back_takes_all_traffic_home(mesh: Hand, traffic: Traffic) -> None:
    stable = mesh.state.stable
    canary = mesh.add("3.2-failing", fault="error=0.5", replicas=1)
    mesh.start(canary)
    mesh.until("it turns", lambda: mesh.rollout.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK})
    starts = mesh.starts("controller")
    mesh.kill("controller")
    # Killed so often, it is started again after the longest pause only.
    mesh.until("another one is at work", lambda: mesh.starts("controller") > starts)
    assert mesh.until_ended() is Phase.ROLLED_BACK
    assert mesh.state.stable == stable
    assert {answer.version for answer in traffic.answers() if answer.failed} <= {canary}


def replaced_in(mesh: Hand, phase: Phase) -> None:
    """Kill the controller in a phase, and compare what its successor knows."""
    mesh.until(f"the rollout is {phase}", lambda: mesh.rollout.phase is phase)
    starts = mesh.starts("controller")
    mesh.kill("controller")
    before = mesh.state
    mesh.until("another one is at work", lambda: mesh.starts("controller") > starts and mesh.state != before)
    after = mesh.state
    assert ticks(after) >= ticks(before)
    steps = [LADDER.index(state.rollout.weight) for state in (before, after) if state.rollout]
    assert steps[1] - steps[0] in {0, 1}


def ticks(state: State) -> int:
    return 0 if state.ledger is None else state.ledger.ticks

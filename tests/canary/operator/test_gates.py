"""Gates and deadlines in a world without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from canary.controller.gates import GateKeeper, Reply
from canary.controller.loop import Controller
from canary.controller.world import World
from canary.judge.profiles import FAST
from canary.resource.gates import Gates, Webhook
from tests.canary.fakes import Stage

WEBHOOK = Webhook(name="compliance", url="http://compliance/ask", when="BeforeStep", patience_s=30.0)


@dataclass
class FakeWebhooks:
    reply: Reply = Reply.YES
    asked: list[str] = field(default_factory=list)

    def ask(self, webhook: Webhook, point: str, question: Mapping[str, Any]) -> tuple[Reply, str]:
        assert question["canary"] == "1.1"
        self.asked.append(f"{webhook.name} {point}")
        return self.reply, "by the book"


class Gated(Stage):
    """A world with gates in it."""

    def __init__(self, gates: Gates) -> None:
        self.webhooks = FakeWebhooks()
        self.keeper = GateKeeper(gates, self.webhooks)
        super().__init__()

    def new_controller(self) -> Controller:
        world = World(self.router, self.traffic, self.workloads, self.store, self.clock, self.log.append)
        return Controller(replace(world, review=self.keeper))


def test_a_rollout_without_gates_runs_through() -> None:
    stage = Gated(Gates())
    stage.start()
    stage.run(300)
    assert stage.phase == "Promoted"


def test_a_manual_gate_waits_for_a_person_once_also_across_a_restart() -> None:
    stage = Gated(Gates(manual=("BeforeTraffic", "BeforePromotion")))
    stage.start(steps=(20,))
    stage.run(60)
    assert (stage.phase, stage.router.live.weights.canary) == ("Paused", 0)
    stage.controller = stage.new_controller()
    stage.order("resume")
    stage.run(200, until=lambda: stage.phase == "Paused")
    assert (stage.phase, stage.router.live.weights.canary) == ("Paused", 20)
    stage.order("resume")
    stage.run(200)
    assert stage.phase == "Promoted"


def test_a_step_with_a_pause_waits_when_its_evidence_is_there() -> None:
    stage = Gated(Gates())
    first, *others = FAST.steps
    stage.start(policy=replace(FAST, steps=(replace(first, pause=True), *others)))
    stage.run(300, until=lambda: stage.phase == "Paused")
    assert stage.router.live.weights.canary == 5
    assert stage.reason == "gate:manual"
    stage.order("resume")
    stage.run(300)
    assert stage.phase == "Promoted"


def test_a_webhook_is_asked_before_each_step_and_its_yes_is_remembered() -> None:
    stage = Gated(Gates(webhooks=(WEBHOOK,)))
    stage.start(steps=(20,))
    stage.run(300)
    assert stage.phase == "Promoted"
    assert stage.webhooks.asked == ["compliance rollout-1/-1/compliance", "compliance rollout-1/0/compliance"]


def test_a_no_before_traffic_fails_the_rollout_and_later_sends_the_traffic_back() -> None:
    stage = Gated(Gates(webhooks=(WEBHOOK,)))
    stage.webhooks.reply = Reply.NO
    stage.start()
    stage.run(60)
    assert (stage.phase, stage.router.live.weights.canary) == ("Failed", 0)

    later = Gated(Gates(webhooks=(WEBHOOK,)))
    later.start()
    later.run(60, until=lambda: later.router.live.weights.canary == 5)
    later.webhooks.reply = Reply.NO
    later.run(300)
    assert (later.phase, later.router.live.weights.canary) == ("RolledBack", 0)
    assert "compliance said no (by the book)" in " ".join(e.sentence for e in later.state.history)


def test_silence_holds_and_is_a_no_when_the_patience_is_over() -> None:
    stage = Gated(Gates(webhooks=(WEBHOOK,)))
    stage.webhooks.reply = Reply.SILENCE
    stage.start()
    stage.run(20)
    assert (stage.phase, stage.reason) == ("Rehearsing", "gate:compliance")
    stage.run(60)
    assert stage.phase == "Failed"


def test_an_abort_works_while_a_gate_waits() -> None:
    stage = Gated(Gates(webhooks=(WEBHOOK,)))
    stage.webhooks.reply = Reply.SILENCE
    stage.start()
    stage.run(10)
    assert stage.order("abort").ok
    stage.run(10)
    assert stage.phase == "RolledBack"


@pytest.mark.parametrize("down", ["", "prometheus is away"])
def test_a_rollout_that_does_not_move_fails_at_its_deadline_but_not_for_want_of_metrics(down: str) -> None:
    stage = Gated(Gates())
    stage.traffic.rps = 0.5  # far too little to prove anything in time
    stage.start(policy=replace(FAST, progress_deadline_s=100.0))
    stage.run(60, until=lambda: stage.router.live.weights.canary == 5)
    stage.traffic.down = down
    stage.run(200)
    assert stage.phase == ("Progressing" if down else "Failed")
    assert stage.router.live.weights.canary == (5 if down else 0)

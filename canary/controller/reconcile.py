"""One pass of the controller: read, judge, decide, write.

What should be so is written to the store before anything is done about it, and every deed follows from what
is stored and may be done twice. So a controller that is killed anywhere goes on where it was. The order of
deeds: pods before traffic on the way in, traffic before pods on the way out.
"""

from dataclasses import replace

from canary.controller.orders import obey
from canary.controller.phases import UNPROVED, Inquiry
from canary.controller.ports import NotYetLive
from canary.controller.world import World
from canary.errors import CanaryError
from canary.rollout.commands import Command, OrderResult
from canary.rollout.confirmation import Confirmation, Doubt, Source
from canary.rollout.decision import Action, Decision, decide
from canary.rollout.model import Phase
from canary.rollout.reducer import decided, doubted, live, noted, put_back
from canary.rollout.state import State
from mesh.errors import MeshError
from mesh.model import Split


class Reconciler:
    """Moves the world towards what the state says, one pass at a time."""

    def __init__(self, world: World) -> None:
        """Take up the stored state, or begin with the stable version that the gateway has.

        Raises:
            canary.errors.StoreCorrupt: the stored state cannot be read.
            mesh.errors.MeshError: there is no state and no readable split either.
        """
        self._world = world
        self._inquiry = Inquiry(world.metrics, world.workloads, world.pins)
        self._verified = False
        self.state = world.store.load() or State(stable=world.router.split().stable)

    def run(self) -> None:
        """Make one pass."""
        for command in self._world.store.commands():
            self._answer(command)
        self._guard()
        self._judge()
        self._act()

    def refuse(self, command_id: str, why: str) -> None:
        """Answer a command that is not carried out, once."""
        given = self.state.answer_to(command_id) or OrderResult(command_id, ok=False, message=why)
        if given not in self.state.answers:
            self._commit(self.state.answered(given))
        self._world.store.answer(given)

    def _answer(self, command: Command) -> None:
        """Carry out a command once, even if its answer was lost with a controller that died."""
        given = self.state.answer_to(command.id)
        if given is None:
            given = self._carry_out(command)
        self._world.store.answer(given)

    def _carry_out(self, command: Command) -> OrderResult:
        now = self._world.clock.now()
        try:
            changed = obey(self.state, command, self._world.workloads, now)
        except CanaryError as error:
            answer = OrderResult(command.id, ok=False, message=str(error))
            self._commit(self.state.answered(answer))
        else:
            sentence = changed.latest.sentence if changed.latest else command.verb
            answer = OrderResult(command.id, ok=True, message=sentence)
            self._commit(changed.answered(answer))
        return answer

    def _guard(self) -> None:
        """Notice that somebody else changed the split."""
        if self.state.live_since is None:
            return
        seen = self._seen()
        if seen != self.state.split:
            self._commit(put_back(self.state, seen, self._world.clock.now()))

    def _seen(self) -> Split | None:
        try:
            return self._world.router.split()
        except MeshError:
            return None

    def _judge(self) -> None:
        now = self._world.clock.now()
        finding = self._inquiry.ask(self.state, now)
        rollout = self.state.active
        if finding is None or rollout is None:
            return
        known, decision = self._world.review(finding.state, decide(rollout, finding.verdict), now)
        self._commit(decided(known, decision, now))

    def _act(self) -> None:
        """Make the split live, then the pods as they should be."""
        unsure = not self._verified or (self.state.assumed and self.state.active is not None)
        if (self.state.live_since is None or unsure) and not self._route():
            return
        if self.state.rollout is not None and self.state.rollout.phase is Phase.ROLLING_BACK:
            self._close_rollback()
        self._scale()

    def _route(self) -> bool:
        try:
            found = self._world.router.apply(self.state.split)
        except NotYetLive as error:
            return self._still_live(error)
        except MeshError as error:
            self._wait(Decision(Action.HOLD, "router", str(error), alert=True))
            return False
        self._verified = True
        confirmed = found if isinstance(found, Confirmation) else Confirmation()
        if self.state.live_since is None or (self.state.assumed and not confirmed.assumed):
            self._commit(live(self.state, confirmed, self._world.clock.now()))
        return True

    def _still_live(self, error: NotYetLive) -> bool:
        """Tell whether the split is taken to be live although it could not be confirmed now; say why not."""
        if self.state.live_since is not None and not error.contrary:
            return True
        self._commit(doubted(self.state, Doubt(str(error), error.alert)))
        active = self.state.active
        back = active is not None and active.phase is Phase.ROLLING_BACK
        if back or (active is None and error.alert):  # else the judge says it, or how it ended is worth more
            self._wait(Decision(Action.HOLD, UNPROVED, str(error), alert=error.alert))
        return False

    def _wait(self, decision: Decision) -> None:
        """Say once why the split is not live: the same words again are not worth a write."""
        latest = self.state.latest
        said = None if latest is None else (latest.reason, latest.sentence, latest.alert)
        if said != (decision.reason, decision.sentence, decision.alert):
            self._commit(noted(self.state, decision, self._world.clock.now()))

    def _close_rollback(self) -> None:
        where = f"all traffic is on {self.state.stable} again"
        confirmed = self.state.confirmation or Confirmation()
        told = {
            Source.PROXIES: f"the gateway proves that {where}",
            Source.COUNTS: f"the gateway's counts prove that {where}",
            Source.NOBODY: f"it is assumed, and nothing proves, that {where} ({confirmed.words})",
        }
        words = f"{told[confirmed.by]}; the canary's pods may go"
        decision = Decision(Action.ROLLED_BACK, "traffic_back", words)
        self._commit(decided(self.state, decision, self._world.clock.now()))

    def _scale(self) -> None:
        rollout = self.state.rollout
        if rollout is None or rollout.settled:
            return
        for version, replicas in rollout.pods.items():
            if self._world.workloads.status(version).wanted != replicas:
                self._world.workloads.scale(version, replicas)
        if rollout.ended:
            self._commit(replace(self.state, rollout=replace(rollout, settled=True)))

    def _commit(self, state: State) -> None:
        """Store first, then believe it, then say it."""
        if state == self.state:
            return
        self._world.store.save(state)
        news = state.history[-1:] if state.entries > self.state.entries else ()
        self.state = state
        for entry in news:
            self._world.log(entry)

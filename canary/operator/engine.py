"""The core with the adapters of a cluster, for one spec of one ModelRollout."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from canary.cluster import annotation
from canary.cluster.errors import Unreachable
from canary.cluster.events import (
    COMMAND_REFUSED,
    POLICY_EDITED,
    ROUTE_CHANGED,
    SPEC_REFUSED,
    WEIGHT_MOVED,
    Events,
)
from canary.cluster.golden_set import HUNDRED, finder
from canary.cluster.proof import Known, ProvedRouter
from canary.cluster.store import Notes, StatusStore
from canary.controller.gates import GateKeeper
from canary.controller.golden_gate import GoldenGate
from canary.controller.loop import Controller
from canary.controller.ports import Review
from canary.controller.world import World
from canary.errors import CanaryError
from canary.operator import intent
from canary.operator.case import ResourceCase, beginning, by_hand, obstacle
from canary.operator.telemetry import CountedMetrics
from canary.operator.tools import Adapters
from canary.resource.convert import mesh_policy_of, routing_of
from canary.rollout.commands import Order
from canary.rollout.confirmation import Confirmation
from canary.rollout.history import Entry
from canary.rollout.model import Phase
from canary.rollout.policy_change import revised
from canary.rollout.state import State
from canary.views.status import Circumstances, Obstacle, status_of
from mesh.cluster.errors import ApiDown
from mesh.cluster.router import Applied, ClusterRouter
from mesh.errors import MeshError
from mesh.model import Split, Weights, full_name
from mesh.ports import Ports

Document = dict[str, Any]
FAREWELL: Final = "deletion"
WATCHED: Final = frozenset({Phase.PROGRESSING, Phase.BAKING})


class Engine:
    """Works on one resource; made again when its spec changes, or when somebody else wrote its state.

    Raises:
        CanaryError: what is stored cannot be read, or cannot be stored.
        MeshError: the API is down or refuses.
    """

    def __init__(self, tools: Adapters, document: Document, case: ResourceCase, notes: Notes | None) -> None:
        metadata = document["metadata"]
        self.namespace, self.name = metadata["namespace"], metadata["name"]
        self._key = (metadata["uid"], metadata["generation"])
        self.case, self._tools = case, tools
        self.problem: Obstacle | None = case.problem
        self.events = Events(tools.api, document, tools.clock.now, tools.warn)
        self._pods = tools.deployments(self.namespace, case.spec.service)
        self._routed = self._reachable()
        router = self._cluster_router()
        first = _first(router, case, self._routed[0])
        self.store = StatusStore(tools.api, document, first, self.describe, self._learn)
        self._revise(notes, tools.clock.now())
        self.router, self.controller = self._assembled(router)

    @property
    def state(self) -> State:
        """The state as it is stored."""
        return self.controller.state

    def fits(self, live: Document) -> bool:
        """Whether the resource, with the state that this engine has stored, asks for what it was made for."""
        metadata = live["metadata"]
        if (metadata["uid"], metadata["generation"]) != self._key:
            return False
        return by_hand(live, (self.state, self.store.notes)).tried == self.case.by_hand.tried

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way."""
        state = self.state
        return state.settled and state.live_since is not None and not self.store.inbox

    @property
    def outdated(self) -> bool:
        """Whether versions or ports have come or gone since the route was made of them.

        Raises:
            ClusterError: the API is down or refuses.
        """
        return self._reachable() != self._routed

    @property
    def tick_s(self) -> float | None:
        """How often there is something new, if only the judge is waited for; None if anything may come."""
        state, active = self.state, self.state.active
        if active is None or active.phase not in WATCHED or state.live_since is None or self.store.inbox:
            return None
        return active.profile.tick_s

    def describe(self, state: State) -> Mapping[str, Any]:
        """Return the status of a state."""
        former = self.store.document.get("status", {})
        generation = self.store.document["metadata"]["generation"]
        return status_of(state, Circumstances(former, generation, self._tools.clock.now(), self.problem))

    def work(self) -> None:
        """Make one pass over what the spec and the annotation ask for."""
        now = self._tools.clock.now()
        state, notes = self.state, self.store.notes
        self._report(obstacle(self.case, state, notes, self._pods))
        begin = None if self.problem else beginning(self.case, state, self._pods)
        self.store.inbox = intent.wishes(self.case.spec, state, notes, begin, now)
        self._heed(begin, now)
        self.controller.tick()
        self.store.refresh(self.state)
        self._tools.telemetry.show(self.namespace, self.name, self.state)

    def leave(self) -> bool:
        """Make one pass on the way out; tell whether all traffic is on the stable, or was never ours."""
        now, active = self._tools.clock.now(), self.state.active
        self.store.inbox = []
        if active is not None and active.phase is not Phase.ROLLING_BACK:
            self.store.inbox = [Order(f"spec-delete-{active.id}", FAREWELL, now, "abort")]
        self.controller.tick()
        return self.router.hopeless or (self.state.settled and self.state.live_since is not None)

    def _reachable(self) -> tuple[Sequence[str], Ports]:
        """Return what a route is made of beside the spec: the versions that exist, the Service's ports."""
        return self._pods.versions(), Ports.of(self._service())

    def _service(self) -> Mapping[str, Any]:
        return self._tools.service(self.namespace, self.case.spec.service)

    def _cluster_router(self) -> ClusterRouter:
        spec = self.case.spec
        return ClusterRouter(
            self._tools.api, spec.service, self.namespace, self._pods.versions,
            mesh_policy_of(spec), routing_of(spec), holder=self.name,
            live_service=self._service, domain=self._tools.domain,
        )  # fmt: skip

    def _assembled(self, cluster: ClusterRouter) -> tuple[ProvedRouter, Controller]:
        tools, spec, state = self._tools, self.case.spec, self.store.load()
        source = tools.metrics(full_name(spec.service, self.namespace, tools.domain))
        metrics = CountedMetrics(source, tools.telemetry, self.namespace, self.name)
        asker = tools.asker(self.namespace, spec.service, cluster)
        timing = tools.timing
        router = ProvedRouter(
            cluster, metrics, tools.clock, self._moved, asker, _known(state), _former(state),
            timing.drain_s, timing.patience_s,
        )  # fmt: skip
        about = {"namespace": self.namespace, "name": self.name, "service": spec.service}
        gates = GateKeeper(spec.gates, tools.webhooks, about)
        review = self._golden(gates)
        world = World(router, metrics, self._pods, self.store, tools.clock, self._told, review, asker)
        return router, Controller(world)

    def _golden(self, then: Review) -> Review:
        golden = self.case.spec.gates.golden
        if golden is None:
            return then
        return GoldenGate(
            self._tools.candidates(self.case.spec.service, self.namespace),
            finder(self._tools.api, self.namespace, golden),
            then,
            self._tools.workers,
            floor=golden.coverage / HUNDRED,
        )

    def _heed(self, begin: intent.Begin | None, now: float) -> None:
        """Put the command in the annotation into the inbox, before what the spec asks for."""
        try:
            asked = annotation.note(self.store.document)
            if asked is None:
                return
            self.store.annotated = asked.id
            self.case.check()
            command = intent.command(asked, self.case.spec, self.state, begin, now)
        except annotation.UnknownCommand as error:
            self.events.tell(COMMAND_REFUSED, str(error), warning=True)
            self.store.clear()
        except CanaryError as error:
            why = self.problem.sentence if self.problem else str(error)
            self.events.tell(COMMAND_REFUSED, why, warning=True)
            self.controller.refuse(self.store.annotated, why)
        else:
            # A person's start stands for the spec's own.
            self.store.inbox = [command, *(each for each in self.store.inbox if each.verb != command.verb)]

    def _report(self, problem: Obstacle | None) -> None:
        """Tell once of a problem."""
        conditions = self.store.document.get("status", {}).get("conditions", ())
        told = problem is None or any(each["message"] == problem.sentence for each in conditions)
        self.problem = problem
        if problem is not None and not told:
            self.events.tell(SPEC_REFUSED, problem.sentence, warning=True)

    def _revise(self, notes: Notes | None, now: float) -> None:
        """Take over a policy that was edited; one that a new release reads differently stays as it was."""
        spec, state = self.case.spec, self.store.load()
        active = state.active
        edited = notes is not None and intent.is_edited(spec, notes)
        if not edited or active is None or active.undo or active.canary != spec.canary:
            return
        changed = revised(state, self.case.profile, now)
        if changed != state:
            self.store.save(changed)
            self.events.tell(POLICY_EDITED, changed.history[-1].sentence)

    def _learn(self, state: State, notes: Notes) -> Notes:
        """Learn of the spec, with an order only once that is accepted: a refused one leaves nothing."""
        orders, spec = self.case.by_hand, self.case.spec
        if self.case.problem:
            return notes
        if orders.asked is None:
            return intent.learned(spec, state, notes, orders.stands)
        if orders.accepted(state, notes):
            return intent.learned(spec, state, notes, orders.asked)
        return intent.learned(self.case.usual, state, notes, orders.stands) if self.case.usual else notes

    def _told(self, entry: Entry) -> None:
        self._tools.log(f"{self.namespace}/{self.name}: {entry.sentence}", warning=entry.alert)
        self.events.entry(entry)
        self._tools.notifier.tell(self.namespace, self.name, self.case.spec.notify, entry)

    def _moved(self, split: Split, applied: Applied) -> None:
        latest = self.state.latest
        why = latest.sentence if latest else "the route is made"
        self._tools.telemetry.moved(self.namespace, self.name, split, why)
        shares = " and ".join(f"{weight} % to {version}" for version, weight in split.shares)
        self._tools.log(f"{self.namespace}/{self.name}: the route sends {shares}")
        self.events.tell(WEIGHT_MOVED, f"the route sends {shares}")
        for drift in applied.drift:
            self._tools.log(f"{self.namespace}/{self.name}: {drift}; put back", warning=True)
            self.events.tell(ROUTE_CHANGED, f"{drift}; put back", warning=True)


def _known(state: State) -> Known | None:
    """Return what is live, as far as the state knows."""
    if state.live_since is None:
        return None
    return Known(state.split, state.confirmation or Confirmation())


def _former(state: State) -> Split | None:
    """Return what was live before the present split, as far as the state of an unsettled rollout knows."""
    rollout = state.rollout
    if rollout is None or state.settled:
        return None
    weight = rollout.passed[-1].weight if rollout.passed else 0
    return Split(rollout.stable, rollout.canary, Weights(weight))


def _first(router: ClusterRouter, case: ResourceCase, versions: Sequence[str]) -> tuple[State, Notes]:
    """Return the state, and the notes, of a resource without a state.

    A route of ours that is there (the status was lost, or the resource was made again after a promotion)
    knows better which of the ``versions`` that exist takes the traffic. One that the spec does not name is
    stable all the same, and spec.stable is not obeyed.

    Raises:
        Unreachable: the API is away.
    """
    spec = case.spec
    try:
        stable = router.split().stable
    except ApiDown as error:
        raise Unreachable(str(error)) from error
    except MeshError:
        stable = spec.stable
    if stable not in versions:
        stable = spec.stable
    named = stable in {spec.stable, spec.canary}
    return State(stable=stable), Notes(stable=spec.stable if named else stable)

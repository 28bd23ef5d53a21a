"""A ModelRollout as the operator takes it up: its spec, and what stands in the way of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from canary.cluster import annotation
from canary.cluster.by_hand import Overrides, after_start, given, overridden, standing
from canary.cluster.deployments import Deployments
from canary.cluster.store import Notes
from canary.errors import CanaryError
from canary.judge.policy import Profile
from canary.operator.intent import Begin, wanted
from canary.resource.convert import mesh_policy_of, profile_of, routing_of
from canary.resource.errors import InvalidResource
from canary.resource.spec import ModelRollout, Spec
from canary.rollout.state import State
from canary.views.status import Obstacle
from mesh.errors import InvalidMesh

Document = Mapping[str, Any]


class Unusable(InvalidResource):
    """A spec that asks for something that this operator does not do."""


class Refused(CanaryError):
    """An order that would make the spec one that cannot be."""


@dataclass(frozen=True)
class ByHand:
    """What people ordered that differs from the spec: what ``stands``, and what is ``asked`` for just now.

    The latter holds once the order with that ``id`` is accepted.
    """

    stands: Overrides = field(default_factory=dict)
    asked: Overrides | None = None
    id: str = ""
    resumes: bool = False

    @property
    def tried(self) -> Overrides:
        """What holds if the order is accepted."""
        return self.stands if self.asked is None else self.asked

    def accepted(self, state: State, notes: Notes) -> bool:
        """Whether what was asked holds; a suspension is lifted though there may be nothing to resume.

        An answer is forgotten in time; what it was stands in the notes by then.
        """
        answer = state.answer_to(self.id)
        if answer is None:
            return notes.by_hand == self.asked
        return answer.ok or self.resumes


def by_hand(document: Document, kept: tuple[State, Notes] | None) -> ByHand:
    """Return what people ordered: what is remembered, and what stands in the annotation."""
    spec = document["spec"]
    stands = standing(spec, kept[1].by_hand) if kept else {}
    try:
        note = annotation.note(document)
    except annotation.UnknownCommand:
        note = None  # told when it is heeded
    state = kept[0] if kept else None
    if note is None or not note.spec or (state and state.answer_to(note.id)):
        return ByHand(stands)
    if note.verb == "resume":
        return ByHand(stands, {**stands, **given(spec, note.spec)}, note.id, resumes=True)
    if state and state.active:
        return ByHand(stands)  # it will be refused
    return ByHand(stands, after_start(spec, note.spec, stands), note.id)


@dataclass(frozen=True)
class ResourceCase:
    """A good spec with its policy, as people ordered it.

    ``problem`` says what is wrong with a newer spec, ``refusal`` what is wrong with an order. ``usual`` is
    the spec without the order that is tried, where there is a good one.
    """

    spec: Spec
    profile: Profile
    problem: Obstacle | None = None
    by_hand: ByHand = field(default_factory=ByHand)
    refusal: str = ""
    usual: Spec | None = None

    def check(self) -> None:
        """Raise Refused if the order in the annotation cannot be taken."""
        if self.refusal:
            raise Refused(self.refusal)


def read(document: Document) -> ResourceCase:
    """Return what the resource asks for.

    Raises:
        InvalidResource: it cannot be done.
    """
    name = document["metadata"]["name"]
    spec = ModelRollout.read({"metadata": document["metadata"], "spec": document["spec"]}).spec
    refused = list(_refused(spec))
    if refused:
        raise Unusable(name, refused)
    try:
        routing_of(spec)
        mesh_policy_of(spec)
        return ResourceCase(spec, profile_of(spec))
    except (InvalidMesh, ValueError) as error:
        raise InvalidResource(name, [str(error)]) from error


def take_up(document: Document, kept: tuple[State, Notes] | None) -> ResourceCase:
    """Return what the resource and people's orders ask for.

    Where the spec is no good it is what the last good spec asked for, with the problem.

    Raises:
        InvalidResource: it cannot be done, and there is no former spec.
    """
    orders = by_hand(document, kept)
    if orders.asked is not None:
        return _tried(document, kept, orders)
    try:
        return replace(_with(document, orders.stands), by_hand=orders)
    except InvalidResource as error:
        if kept is None or kept[1].spec is None:
            raise
        former = read({"metadata": document["metadata"], "spec": kept[1].spec})
        return replace(former, problem=problem_of(error), by_hand=orders)


def _tried(document: Document, kept: tuple[State, Notes] | None, orders: ByHand) -> ResourceCase:
    """Return what the resource asks for together with an order that is not accepted yet."""
    try:
        usual: ResourceCase | None = take_up(
            {**document, "metadata": _without_order(document["metadata"])}, kept
        )
    except InvalidResource:
        usual = None
    try:
        tried = _with(document, orders.tried)
    except InvalidResource as error:
        if usual is None:
            raise
        return replace(usual, refusal=str(error))
    return replace(tried, by_hand=orders, usual=usual.spec if usual and not usual.problem else None)


def _with(document: Document, overrides: Overrides) -> ResourceCase:
    return read({"metadata": document["metadata"], "spec": overridden(document["spec"], overrides)})


def _without_order(metadata: Document) -> Document:
    kept = {name: text for name, text in metadata["annotations"].items() if name != annotation.COMMAND}
    return {**metadata, "annotations": kept}


def problem_of(error: InvalidResource) -> Obstacle:
    """Return a refused spec as a problem."""
    return Obstacle("NotSupported" if isinstance(error, Unusable) else "InvalidSpec", str(error))


def obstacle(case: ResourceCase, state: State, notes: Notes, pods: Deployments) -> Obstacle | None:
    """Return what stands in the way of what the spec asks for.

    Raises:
        ClusterError: the API is down or refuses.
    """
    if case.problem is not None:
        return case.problem
    spec = case.spec
    if spec.stable not in {state.stable, notes.stable} and notes.stable:
        sentence = (
            f"{state.stable} is stable and takes the traffic; spec.stable {spec.stable} is not obeyed, since "
            f"nothing proves that version: name it in spec.canary, or set spec.stable to {state.stable}"
        )
        return Obstacle("StableNotObeyed", sentence)
    for version in filter(None, (state.stable, wanted(spec, state))):
        seen = pods.status(version)
        if not seen.known:
            return Obstacle("DeploymentMissing", seen.message)
    return None


def beginning(case: ResourceCase, state: State, pods: Deployments) -> Begin:
    """Return with what a rollout would be begun; a canary with an autoscaler begins with its minimum."""
    canary = wanted(case.spec, state)
    return Begin(case.profile, pods.floor(canary) if canary else None)


def _refused(spec: Spec) -> list[str]:
    problems = []
    if spec.gates.golden is not None and not spec.routing.header_pin:
        problems.append(
            "spec.gates.golden: both versions are asked by the header x-model-version: set routing.headerPin "
            "to true, or leave the golden set out"
        )
    return problems

"""A ModelRollout as the operator takes it up: its spec, and what stands in the way of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.cluster.deployments import Deployments
from canary.cluster.store import Notes
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


@dataclass(frozen=True)
class ResourceCase:
    """A good spec with its policy; ``problem`` says what is wrong with a newer one that is not good."""

    spec: Spec
    profile: Profile
    problem: Obstacle | None = None


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


def take_up(document: Document, notes: Notes | None) -> ResourceCase:
    """Return what the resource asks for, or what the last good spec asked for, with the problem.

    Raises:
        InvalidResource: it cannot be done, and there is no former spec.
    """
    try:
        return read(document)
    except InvalidResource as error:
        if notes is None or notes.spec is None:
            raise
        former = read({"metadata": document["metadata"], "spec": notes.spec})
        return ResourceCase(former.spec, former.profile, problem_of(error))


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

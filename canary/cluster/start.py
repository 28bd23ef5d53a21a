"""How people begin a rollout on a cluster: by an order, with their name."""

from dataclasses import dataclass
from typing import Any

from canary.cluster.annotation import COMMAND, wanted_of_spec
from canary.cluster.api import ModelRollouts
from canary.cluster.client import ClusterClient
from canary.cluster.errors import Suspended
from canary.errors import BadCommand, RolloutInProgress
from canary.resource.spec import API_VERSION, GROUP, KIND
from canary.rollout.commands import OrderResult, Start

Document = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is to begin: ``profile`` and ``steps`` of None leave the policy as it is, and so do the shares.

    ``service`` and ``stable`` are needed only where there is no ModelRollout yet.
    """

    canary: str
    stable: str | None = None
    service: str | None = None
    profile: str | None = None
    steps: tuple[int, ...] | None = None
    shadow: int | None = None
    shadow_during: int | None = None

    @property
    def words(self) -> dict[str, str]:
        """What the order says, by `annotation.FIELDS`."""
        steps = None if self.steps is None else ",".join(map(str, self.steps))
        words = {
            "canary": self.canary,
            "profile": self.profile,
            "steps": steps,
            "shadow": self.shadow,
            "shadowDuring": self.shadow_during,
        }
        return {name: str(value) for name, value in words.items() if value is not None}


def new_document(wanted: Wanted, name: str, namespace: str) -> Document:
    """Return the ModelRollout to apply where there is none.

    Raises:
        BadCommand: the Service or the stable version is not named.
    """
    if wanted.service is None or wanted.stable is None:
        message = (
            f"there is no ModelRollout {name!r} in namespace {namespace}: to make one, name what exists with "
            "--service and --stable"
        )
        raise BadCommand(message)
    spec = {"service": wanted.service, "stable": wanted.stable, **wanted_of_spec("start", wanted.words)}
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def begin(
    client: ClusterClient, wanted: Wanted, command: Start, *, within_s: float | None = None
) -> OrderResult:
    """Begin a rollout by an existing ModelRollout, and return the operator's answer.

    Raises:
        CanaryError: it cannot begin now; its sentence says why.
        ClusterError: the API is down or refuses.
    """
    state = client.state()
    stable = state.stable if state else client.document["spec"]["stable"]
    if state is not None and state.active is not None:
        raise RolloutInProgress(state.active.canary, state.active.phase.value)
    if wanted.canary == stable:
        message = f"{wanted.canary!r} is the stable version already: name another one as the canary"
        raise BadCommand(message)
    if wanted.stable not in {None, stable}:
        message = f"the stable version is {stable!r}, not {wanted.stable!r}: leave --stable out"
        raise BadCommand(message)
    spec = client.spec()
    if spec.get("suspend"):
        raise Suspended(client.place)
    if wanted.canary == spec["stable"]:
        message = (
            f"spec.stable still names {wanted.canary!r}, though {stable!r} is stable now: set it to that "
            "where it is applied, or go back by `bertmesh rollout undo`"
        )
        raise BadCommand(message)
    return client.send(command, within_s=within_s, wanted=wanted.words)


def create(rollouts: ModelRollouts, document: Document, text: str) -> None:
    """Create a ModelRollout that knows who began its first rollout.

    Raises:
        CanaryError: there is no such kind or namespace.
        ClusterError: the API is down or refuses.
    """
    rollouts.create(ordered(document, text))


def ordered(document: Document, text: str) -> Document:
    """Return a ModelRollout with the order ``text`` that begins its rollout."""
    return {**document, "metadata": {**document["metadata"], "annotations": {COMMAND: text}}}

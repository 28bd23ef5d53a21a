"""How a rollout begins on a cluster: by the ModelRollout's spec, with the name of who began it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from canary.cluster.annotation import COMMAND, written
from canary.cluster.api import MANAGER, ModelRollouts
from canary.cluster.client import ClusterClient
from canary.cluster.errors import SpecOfOther, Suspended
from canary.errors import BadCommand, RolloutInProgress
from canary.resource.spec import API_VERSION, GROUP, KIND
from canary.rollout.commands import OrderResult, Start

Document = dict[str, Any]
APPLY: Final = "Apply"


@dataclass(frozen=True)
class Wanted:
    """What is to begin: ``profile`` and ``steps`` of None leave the policy as it is, and so do the shares.

    ``service`` and ``stable`` are needed only where there is no ModelRollout yet. ``force`` changes a
    spec.canary that somebody else applies.
    """

    canary: str
    stable: str | None = None
    service: str | None = None
    profile: str | None = None
    steps: tuple[int, ...] | None = None
    force: bool = False
    shadow: int | None = None
    shadow_during: int | None = None

    @property
    def parts(self) -> Document:
        """What is said of the policy and of copies of requests."""
        shares = {"percent": self.shadow, "duringPercent": self.shadow_during}
        shadow = {name: share for name, share in shares.items() if share is not None}
        return {
            **({"policy": self.policy} if self.policy else {}),
            **({"shadow": shadow} if shadow else {}),
        }

    @property
    def policy(self) -> Document:
        """What is said of the policy."""
        steps = [{"weight": weight} for weight in self.steps or ()]
        return {**({"profile": self.profile} if self.profile else {}), **({"steps": steps} if steps else {})}


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
    spec = {"service": wanted.service, "stable": wanted.stable, "canary": wanted.canary}
    return {
        "apiVersion": f"{GROUP}/{API_VERSION}",
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**spec, **wanted.parts},
    }


def changes(wanted: Wanted, document: Mapping[str, Any]) -> Document:
    """Return what of an existing spec has to change.

    Raises:
        SpecOfOther: somebody else applies spec.canary, and nothing forces us.
    """
    metadata, spec = document["metadata"], document["spec"]
    owner = _applier(metadata)
    if spec.get("canary") != wanted.canary and owner is not None and not wanted.force:
        place = f"{metadata['namespace']}/{metadata['name']}"
        raise SpecOfOther(place, owner, wanted.canary)
    canary = {"canary": wanted.canary} if spec.get("canary") != wanted.canary else {}
    return {**canary, **wanted.parts}


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
    if client.document["spec"].get("suspend"):
        raise Suspended(client.place)
    spec = changes(wanted, client.document)
    answer = client.send(command, within_s=within_s, spec=spec)
    if answer.ok or "canary" not in spec:
        return answer
    later = f"spec.canary is {wanted.canary} now, so it begins as soon as that is mended"
    return replace(answer, message=f"{answer.message}; {later}")


def create(rollouts: ModelRollouts, document: Document, command: Start) -> None:
    """Create a ModelRollout that knows who began its first rollout.

    Raises:
        CanaryError: there is no such kind or namespace.
        ClusterError: the API is down or refuses.
    """
    rollouts.create(ordered(document, command))


def ordered(document: Document, command: Start) -> Document:
    """Return a ModelRollout with the order that begins its rollout."""
    metadata = {**document["metadata"], "annotations": {COMMAND: written(command)}}
    return {**document, "metadata": metadata}


def _applier(metadata: Mapping[str, Any]) -> str | None:
    """Return who else holds spec.canary by server-side apply, as Helm and GitOps tools do."""
    for entry in metadata.get("managedFields", ()):
        theirs = "f:canary" in entry.get("fieldsV1", {}).get("f:spec", {})
        if entry["operation"] == APPLY and theirs and entry["manager"] != MANAGER:
            return str(entry["manager"])
    return None

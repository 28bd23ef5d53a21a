"""The port to the models that a pod can serve: what there is, and putting one in or out of service."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from service.errors import FixedModel, UnknownModel
from service.pod import Pod, State


class Availability(Enum):
    """Whether a model can be asked; the values are those of the model repository extension."""

    READY = "READY"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True)
class Entry:
    """One version of a model in the index. ``reason`` says why it is not ready."""

    name: str
    version: str
    state: Availability
    reason: str = ""


class Repository(Protocol):
    """What the repository endpoints ask for. Calls block until done and come from request threads."""

    def index(self) -> Sequence[Entry]:
        """Return every version there is, served or not."""
        ...

    def load(self, name: str, version: str | None) -> None:
        """Put a version in service and return when it answers; the newest one where none is named.

        Raises:
            UnknownModel: There is no such model or version.
            ServiceError: It cannot be served; what is in service stays there.
        """
        ...

    def unload(self, name: str, version: str | None) -> None:
        """Take a version out of service and free its memory.

        Raises:
            UnknownModel: There is no such model or version.
            ServiceError: It must stay, as the only one that answers.
        """
        ...


class OneModel:
    """The repository of a pod that serves the model it was started with, and no other."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod

    def index(self) -> Sequence[Entry]:
        """Return the one model, once it is known."""
        pod = self._pod
        if pod.served is None:
            return ()
        ready = pod.state is State.READY
        state = Availability.READY if ready else Availability.UNAVAILABLE
        reason = "" if ready else f"the pod is {pod.state.value}"
        return (Entry(pod.predictor.name, pod.predictor.version, state, reason),)

    def load(self, name: str, version: str | None) -> None:
        """Accept the model that is loaded already."""
        self._require(name, version)

    def unload(self, name: str, version: str | None) -> None:
        """Refuse: nothing would be left."""
        self._require(name, version)
        message = f"{name} is the only model of this pod; another in its place needed: end the pod instead"
        raise FixedModel(message)

    def _require(self, name: str, version: str | None) -> None:
        predictor = self._pod.predictor
        if name != predictor.name or version not in (None, predictor.version):
            raise UnknownModel(name, version, known=f"{predictor.name} {predictor.version}")

"""The port to the models that a pod can serve: what there is, and putting one in or out of service."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Availability(Enum):
    """Whether a model can be asked; the values are those of the model repository extension."""

    READY = "READY"
    LOADING = "LOADING"
    UNLOADING = "UNLOADING"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True)
class IndexEntry:
    """One version of a model in the index. ``reason`` says why it is not ready."""

    name: str
    version: str
    state: Availability
    reason: str = ""


class Repository(Protocol):
    """What the repository endpoints ask for. Calls block until done and come from request threads."""

    def index(self) -> Sequence[IndexEntry]:
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

"""The models that a pod can put in service: those of its folder, by way of the swapper."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from modelstore import ModelVersion, Unreadable, survey
from service.errors import FixedModel, UnknownModel
from service.pod.assembly import Pod, Served, State
from service.pod.swap import Swapper


class Availability(Enum):
    """Whether a model can be asked; the values are those of the model repository extension."""

    READY = "READY"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True)
class IndexEntry:
    """One version of a model in the index. ``reason`` says why it is not ready."""

    name: str
    version: str
    state: Availability
    reason: str = ""


class ModelFolder:
    """The repository over the models folder: load puts in service, unload frees the former model.

    Calls block until done and come from request threads.
    """

    def __init__(self, pod: Pod, swapper: Swapper) -> None:
        self._pod = pod
        self._swapper = swapper

    def index(self) -> Sequence[IndexEntry]:
        """Return every version there is: the one in service is ready, the former one says that it is kept.

        A version that cannot be read says why; the others are none the worse for it.
        """
        slots = self._pod.slots
        rows = {(version.name, version.version): _reason(version) for version in self._versions()}
        if slots.former:
            rows[_identity(slots.former)] = "kept for the way back"
        if slots.newest:
            rows[_identity(slots.newest)] = "" if self._pod.state is State.READY else self._pod.state.value
        states = {True: Availability.UNAVAILABLE, False: Availability.READY}
        return tuple(
            IndexEntry(name, version, states[bool(why)], why) for (name, version), why in rows.items()
        )

    def load(self, name: str, version: str | None) -> None:
        """Put a version in service, the newest where none is named; at once if it is the former one.

        Raises:
            UnknownModel: There is no such model or version.
            UnusableModel: Its files are missing or not what they should be, or no engine can compute it;
                also where the newest one is wanted, for an older one would be a surprise.
            SwapRefused: There is no memory for it, or it fails at the golden sentences.
            SwapUnderWay: Another swap has not ended.
        """
        versions = [known.version for known in self._versions() if known.name == name]
        if not versions or version not in (None, *versions):
            raise UnknownModel(name, version, known=self._known())
        self._swapper.activate(f"{name}:{version or versions[-1]}")

    def unload(self, name: str, version: str | None) -> None:
        """Free the former model.

        Raises:
            FixedModel: It is the one in service.
            UnknownModel: It is in neither slot.
            SwapUnderWay: A swap has not ended.
        """
        slots = self._pod.slots
        if _is(slots.former, name, version):
            self._swapper.free()
        elif _is(slots.newest, name, version):
            message = (
                f"{name} is in service; another in its place needed: load that first, then unload this one"
            )
            raise FixedModel(message)
        else:
            raise UnknownModel(name, version, known=self._known())

    def rollback(self) -> str:
        """Put the former model back in service, at once, and return it as name:version.

        Raises:
            NothingToGoBackTo: There is none any more.
            SwapUnderWay: Another swap has not ended.
        """
        return ":".join(_identity(self._swapper.rollback()))

    def _versions(self) -> Sequence[ModelVersion | Unreadable]:
        return survey(self._pod.settings.models_dir)

    def _known(self) -> str:
        return ", ".join(f"{known.name} {known.version}" for known in self._versions()) or "nothing"


def _reason(version: ModelVersion | Unreadable) -> str:
    return version.reason if isinstance(version, Unreadable) else "not loaded"


def _identity(served: Served) -> tuple[str, str]:
    return served.model.version.name, served.model.version.version


def _is(served: Served | None, name: str, version: str | None) -> bool:
    return served is not None and _identity(served) == (name, version or served.model.version.version)

"""Reads what the controller writes whenever it has changed: its state, and the canary's weight."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from bertmesh.errors import ControllerSilent
from bertmesh.local.envoy_files import split_on_disk
from bertmesh.local.home import Home
from canary.local.store import FileStore
from canary.rollout.state import State
from mesh.local.deadline import Deadline
from mesh.local.routefile import RouteFile

PATIENCE_S = 60.0

T = TypeVar("T")


class Watch:
    """What is on file now, and which weights of ``canary`` were."""

    def __init__(self, home: Home, canary: str) -> None:
        """Prepare; nothing is read yet."""
        self.written: list[int] = []
        self._log = home.log("controller")
        self._canary = canary
        self._state = _Changing(home.rollout / "state.json", FileStore(home.rollout).load)
        self._split = _Changing(RouteFile(home.envoy).path, lambda: split_on_disk(home))

    def state(self) -> State:
        """Return the state as it is stored, and note the weight in the routes.

        The weight is read first: what was written follows from what had been stored before.

        Raises:
            ControllerSilent: nothing was stored for long.
        """
        self._note_weight()
        state = Deadline(PATIENCE_S).wait(self._state.read)
        if state is None:
            raise ControllerSilent(self._log)
        return state

    def _note_weight(self) -> None:
        split = self._split.read()
        weight = dict(split.shares).get(self._canary, 0) if split else 0
        if self.written[-1:] != [weight]:
            self.written.append(weight)


class _Changing(Generic[T]):
    """A file that is read again only when it was replaced."""

    def __init__(self, path: Path, load: Callable[[], T | None]) -> None:
        self._path = path
        self._load = load
        self._seen: tuple[int, int] | None = None
        self._value: T | None = None

    def read(self) -> T | None:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return None
        if (mark := (stat.st_ino, stat.st_mtime_ns)) != self._seen:
            self._value, self._seen = self._load(), mark
        return self._value

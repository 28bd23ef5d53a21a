"""Reads what the controller writes whenever it has changed: its state, and the canary's weight."""

from functools import lru_cache
from pathlib import Path

from bertmesh.errors import ControllerSilent
from bertmesh.local.envoy_files import split_on_disk
from bertmesh.local.home import Home
from canary.local.store import FileStore
from canary.rollout.state import State
from mesh.local.deadline import Deadline
from mesh.local.routefile import RouteFile

PATIENCE_S = 60.0


class Watch:
    """What is on file now, and which weights of ``canary`` were."""

    def __init__(self, home: Home, canary: str) -> None:
        self.written: list[int] = []
        self._home = home
        self._canary = canary
        self._load = lru_cache(1)(lambda _version: FileStore(home.rollout).load())
        self._split = lru_cache(1)(lambda _version: split_on_disk(home))

    def state(self) -> State:
        """Return the state as it is stored, and note the weight in the routes.

        The weight is read first: what was written follows from what had been stored before.

        Raises:
            ControllerSilent: nothing was stored for long.
        """
        self._note_weight()
        path = self._home.rollout / "state.json"
        state = Deadline(PATIENCE_S).wait(lambda: self._load(_version_of(path)))
        if state is None:
            raise ControllerSilent(self._home.log("controller"))
        return state

    def _note_weight(self) -> None:
        split = self._split(_version_of(RouteFile(self._home.envoy).path))
        weight = dict(split.shares).get(self._canary, 0) if split else 0
        if self.written[-1:] != [weight]:
            self.written.append(weight)


def _version_of(path: Path) -> tuple[int, int] | None:
    """Return what differs once a file was replaced, None where there is none: it is read again only then."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns

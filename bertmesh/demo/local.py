"""The demo on the local mesh: its controller is a process that writes files."""

import os
import signal
import time
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from bertmesh.demo.acts import PROFILE
from bertmesh.demo.venue import Venue
from bertmesh.errors import ControllerSilent
from bertmesh.local.envoy_files import split_on_disk
from bertmesh.local.home import Home, VersionSpec
from canary.local.client import Client
from canary.local.store import FileStore
from canary.rollout.commands import OrderResult, Start
from canary.rollout.state import State
from mesh.local.deadline import Deadline
from mesh.local.routefile import RouteFile

BY = "demo"
PATIENCE_S = 60.0


class LocalVenue(Venue):
    """The mesh of a home."""

    def __init__(self, home: Home, gateway: str, client: Client) -> None:
        super().__init__(client, gateway, profile=PROFILE, log=str(home.log("controller")))
        self._home = home
        self._load = lru_cache(1)(lambda _version: FileStore(home.rollout).load())
        self._split = lru_cache(1)(lambda _version: split_on_disk(home))

    def add_version(self, name: str, spec: VersionSpec) -> None:
        """See `Venue`."""
        self._home.add_versions({name: spec})

    def start(self, canary: str, within_s: float) -> OrderResult:
        """See `Venue`."""
        start = Start(uuid4().hex, BY, time.time(), canary, profile=PROFILE.name, policy=PROFILE)
        return self.client.send(start, within_s=within_s)

    def state(self) -> State:
        """See `Venue`."""
        path = self._home.rollout / "state.json"
        state = Deadline(PATIENCE_S).wait(lambda: self._load(_version_of(path)))
        if state is None:
            raise ControllerSilent(self.log)
        return state

    def weight(self, canary: str) -> int:
        """See `Venue`."""
        split = self._split(_version_of(RouteFile(self._home.envoy).path))
        return dict(split.shares).get(canary, 0) if split else 0

    def kill_controller(self) -> str | None:
        """See `Venue`; the name is its process id."""
        pid = self._home.processes()["controller"].pid
        if pid is None:
            return None
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:  # it has ended by itself; its successor will do
            return None
        return str(pid)

    def successor(self, killed: str) -> float | None:
        """See `Venue`."""
        beat = FileStore(self._home.rollout).last_beat()
        return None if beat is None or str(beat["pid"]) == killed else float(beat["at"])


def _version_of(path: Path) -> tuple[int, int] | None:
    """Return what differs once a file was replaced, None where there is none: it is read again only then."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns

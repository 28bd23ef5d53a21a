"""The router over the local Envoy: writes the routes, and proves that they are live.

The order of one application: wait until Envoy can route to the versions, write the file by a rename,
poll Envoy's own statistics until they name this version of the routes.
"""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mesh.envoy.clusters import version_of
from mesh.errors import (
    ClustersMissing,
    EnvoyDown,
    NoHealthyPod,
    RoutesBusy,
    RoutesNotLive,
    RoutesRejected,
    UnreadableRoutes,
)
from mesh.local.admin import Admin, RoutesState
from mesh.local.deadline import Deadline
from mesh.local.envoy_log import EnvoyLog
from mesh.local.routefile import RouteFile, Routes
from mesh.model import Mesh, Split, Version, local_mesh
from mesh.policy import Policy


@dataclass(frozen=True)
class Proof:
    """Envoy's own word that a version of the routes is live, and after how many seconds it gave it."""

    version: str
    seconds: float


class LocalRouter:
    """Splits traffic between the stable and the canary version, on this machine.

    Any number of routers, also in different processes, may work on one folder: a lock on it makes
    them take turns.
    """

    def __init__(
        self,
        folder: Path,
        admin_url: str,
        *,
        versions: Callable[[], Sequence[str]],
        policy: Policy | None = None,
        log: Path | None = None,
        patience: Callable[[], Deadline] = Deadline,
    ) -> None:
        """Take Envoy's folder and admin URL; ``log`` is where Envoy writes why it refuses routes.

        ``versions`` is asked each time for the versions that exist; ``patience`` is made again for each
        application, which takes hardly longer than that.
        """
        self._file = RouteFile(folder)
        self._lock = folder / "router.lock"
        self._admin = Admin(admin_url)
        self._versions = versions
        self._policy = policy or Policy()
        self._log = EnvoyLog(log)
        self._patience = patience

    def split(self) -> Split:
        """Return the split that the route file holds.

        Raises:
            UnreadableRoutes: there is none, or it holds no split.
        """
        return self._file.split()

    def prepare(self, default: Split) -> Split:
        """Write the routes before Envoy starts, and return their split.

        The split on file is kept if all its versions still exist; otherwise ``default`` is written.

        Raises:
            InvalidMesh: ``default`` names a version that does not exist.
            RoutesBusy: another process is applying routes.
        """
        with self._alone(self._patience()):
            split = self._split_or(default)
            self._file.write(self._render(split, self._versions()).text)
            return split

    def apply(self, split: Split) -> Proof:
        """Make ``split`` live and return the proof; nothing is written if it is live already.

        Raises:
            InvalidMesh: it names a version that does not exist.
            RoutesRejected: Envoy refused the routes; the last good ones keep serving.
            RoutesNotLive: Envoy did not take them in time.
            ClustersMissing: Envoy does not know a version of the split; nothing was changed.
            NoHealthyPod: the canary would get more weight and has no healthy pod; nothing was changed.
            RoutesBusy: another process is applying routes; nothing was changed.
            EnvoyDown: Envoy does not answer; unless the canary would get more, the file is written for
                when Envoy is back.
        """
        patience = self._patience()
        with self._alone(patience):
            return self._apply(split, patience)

    def refresh(self) -> Proof:
        """Render the split on file again: for the versions that exist now, which can be pinned.

        Raises:
            RouterError: as `apply` and `split`.
        """
        patience = self._patience()
        with self._alone(patience):
            return self._apply(self.split(), patience)

    @contextmanager
    def _alone(self, patience: Deadline) -> Iterator[None]:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as lock:
            if not patience.wait(lambda: _try_lock(lock)):
                raise RoutesBusy(patience.waited_s)
            yield

    def _split_or(self, default: Split) -> Split:
        try:
            split = self.split()
        except UnreadableRoutes:
            return default
        exist = set(self._versions())
        return split if {name for name, _ in split.shares} <= exist else default

    def _render(self, split: Split, names: Sequence[str]) -> Routes:
        return Routes.of(self._mesh(split, names))

    def _mesh(self, split: Split, names: Sequence[str]) -> Mesh:
        return local_mesh(tuple(Version(name) for name in names), split, self._policy)

    def _apply(self, split: Split, patience: Deadline) -> Proof:
        try:
            before = self._admin.routes()
        except EnvoyDown:
            if self._gains(split) is None:
                self._file.write(self._render(split, self._versions()).text)
            raise
        routes = self._render(split, self._routable(split, patience))
        if before.version != routes.version or self._file.text() != routes.text:
            self._await_pod(split, patience)
            self._write(routes, before, patience)
        self._file.keep(routes.text)
        return Proof(version=routes.version, seconds=patience.waited_s)

    def _routable(self, split: Split, patience: Deadline) -> list[str]:
        """Return the versions that exist and that Envoy knows, once those of the split are among them."""
        exist = self._versions()
        self._mesh(split, exist)  # refuses what does not exist before it is waited for
        needed = {name for name, _ in split.shares}
        patience.wait(lambda: not needed - self._known())
        known = self._known()
        if needed - known:
            raise ClustersMissing(sorted(needed - known), patience.waited_s)
        return [name for name in exist if name in known]

    def _known(self) -> set[str]:
        return {version_of(cluster) for cluster in self._admin.clusters()}

    def _await_pod(self, split: Split, patience: Deadline) -> None:
        """Wait for a healthy canary pod before the canary gets more; never keep traffic from leaving it."""
        canary = self._gains(split)
        if canary is None or patience.wait(lambda: self._admin.members(canary).healthy):
            return
        raise NoHealthyPod(canary, self._admin.members(canary).total, patience.waited_s)

    def _gains(self, split: Split) -> str | None:
        """Return the canary if ``split`` gives it more than the file does."""
        try:
            shares = dict(self.split().shares)
        except UnreadableRoutes:
            shares = {}
        gains = split.canary is not None and split.weights.canary > shares.get(split.canary, 0)
        return split.canary if gains else None

    def _write(self, routes: Routes, before: RoutesState, patience: Deadline) -> None:
        previous = self._file.text()
        self._log.mark()
        self._file.write(routes.text)
        state = patience.wait(lambda: self._settled(routes, before))
        if state is None:
            raise RoutesNotLive(routes.version, self._admin.routes().version, patience.waited_s)
        if state.version != routes.version:
            self._file.restore(otherwise=previous)
            raise RoutesRejected(self._log.refusal())

    def _settled(self, routes: Routes, before: RoutesState) -> RoutesState | None:
        state = self._admin.routes()
        return state if state.version == routes.version or state.refused > before.refused else None


def _try_lock(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

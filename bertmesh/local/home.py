"""The state folder of a local mesh: where everything lies and who may write what."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import psutil
from pydantic import TypeAdapter

from bertmesh.errors import CorruptState, MeshNotRunning, MeshRunning, UnknownVersion
from mesh.policy import Policy
from modelstore.files import write_whole

DEFAULT_REPLICAS = 2
POLICY = TypeAdapter(Policy)


def write_json(path: Path, value: object) -> None:
    """Replace ``path`` in one step, so that a reader sees the old or the new file, never half of one."""
    write_whole(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode())


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Read a JSON file.

    Raises:
        CorruptState: the file is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptState(path, str(error)) from error


def process_start(pid: int) -> float | None:
    """Return when a process was started (unix seconds), or None if there is no such process."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).create_time()
    return None


@dataclass(frozen=True)
class VersionSpec:
    """What a version's pods are started with."""

    model: str
    fault: str | None = None
    replicas: int = DEFAULT_REPLICAS


@dataclass(frozen=True)
class MeshInfo:
    """What a running mesh says of itself in ``mesh.json``.

    ``pid`` and ``started`` (unix seconds) together name the supervisor; a process id alone may be
    somebody else's by now. The URLs are on the loopback address.
    ``console`` is empty in the file of an earlier release.
    """

    pid: int
    started: float
    gateway: str
    envoy_admin: str
    prometheus: str
    redis: str
    console: str = ""
    ready: bool = False


@dataclass(frozen=True)
class ProcessInfo:
    """One process of a running mesh: its id, if it runs now, and how often it was started.

    ``admin`` is the URL of a pod's admin port; empty for what is no pod.
    """

    pid: int | None
    starts: int
    admin: str = ""


@dataclass(frozen=True)
class _Inside:
    """A path in the home, as an attribute of it."""

    name: str

    def __get__(self, home: "Home", _kind: type) -> Path:
        return home.root / self.name


@dataclass(frozen=True)
class Home:
    """The paths of one local mesh."""

    root: Path

    @classmethod
    def at(cls, root: Path) -> Self:
        """Return the home in ``root``, which need not exist yet."""
        return cls(root.resolve())

    info_file = _Inside("mesh.json")
    """What the running mesh says of itself."""
    versions_file = _Inside("versions.json")
    """All versions that are known here."""
    policy_file = _Inside("policy.json")
    """The policy that the mesh was started with."""
    processes_file = _Inside("processes.json")
    """The processes of the running mesh."""
    workloads = _Inside("workloads")
    """Wanted and observed replicas, a file a version."""
    envoy = _Inside("envoy")
    """Envoy's bootstrap and its xDS files."""
    rollout = _Inside("rollout")
    """The controller's store and its inbox."""
    prometheus = _Inside("prometheus")
    """Prometheus' configuration, targets and data."""
    redis = _Inside("redis")
    """Redis' working folder."""
    logs = _Inside("logs")
    """A log a process."""

    def log(self, name: str) -> Path:
        """Return where the process ``name`` writes its log."""
        return self.logs / f"{name}.log"

    def info(self) -> MeshInfo:
        """Return what the running mesh says of itself.

        Raises:
            MeshNotRunning: there is none, or its supervisor is gone.
        """
        info = MeshInfo(**read_json(self.info_file)) if self.info_file.exists() else None
        if info is None or process_start(info.pid) != info.started:
            raise MeshNotRunning(self.root)
        return info

    def policy(self) -> Policy:
        """Return the policy that the mesh was started with; the controller routes by it."""
        path = self.policy_file
        return POLICY.validate_json(path.read_bytes()) if path.exists() else Policy()

    def tell_policy(self, policy: Policy) -> None:
        """Write down the policy (the supervisor does)."""
        write_json(self.policy_file, POLICY.dump_python(policy, mode="json"))

    def processes(self) -> dict[str, ProcessInfo]:
        """Return the processes of the running mesh, by name."""
        path = self.processes_file
        return {name: ProcessInfo(**told) for name, told in read_json(path).items()} if path.exists() else {}

    def tell_processes(self, processes: Mapping[str, ProcessInfo]) -> None:
        """Write down the processes (the supervisor does)."""
        write_json(self.processes_file, {name: asdict(process) for name, process in processes.items()})

    def versions(self) -> dict[str, VersionSpec]:
        """Return every version that this home knows, by name."""
        path = self.versions_file
        return {name: VersionSpec(**spec) for name, spec in read_json(path).items()} if path.exists() else {}

    def version(self, name: str) -> VersionSpec:
        """Return one version.

        Raises:
            UnknownVersion: it is not known here.
        """
        versions = self.versions()
        if name not in versions:
            raise UnknownVersion(name, list(versions))
        return versions[name]

    def add_versions(self, specs: Mapping[str, VersionSpec]) -> None:
        """Add or replace versions; concurrent callers do not lose each other's."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "versions.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            merged = self.versions() | dict(specs)
            write_json(self.versions_file, {name: asdict(spec) for name, spec in merged.items()})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home; the kernel lets go by itself when the holder dies.

        Raises:
            MeshRunning: somebody else holds it.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise MeshRunning(self.root) from error
            yield

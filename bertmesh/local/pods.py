"""The model pods of the local home as child processes."""

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bertmesh.local.backends import answers_http
from bertmesh.local.home import Home, VersionSpec
from bertmesh.local.keeper import ProcessKeeper
from bertmesh.local.logs import last_words
from bertmesh.local.ports import LOOPBACK, free_ports
from bertmesh.local.processes import Child, Command
from bertmesh.local.workloads import Observed
from mesh.model import Endpoint

# Between leaving Envoy's endpoints and SIGTERM; with 0.3 s no request was lost.
DRAIN_S = 0.5
DRAIN_LIMIT_S = 35.0
GUNICORN = (
    sys.executable,
    "-m",
    "gunicorn",
    "-c",
    "python:service.server.gunicorn_conf",
    "service.api.app:create_app()",
)


@dataclass
class Pod:
    """One pod: its place, the process behind it, and whether it answers.

    On ``admin_port`` its model is changed; the gateway does not know it.
    """

    version: str
    index: int
    port: int
    admin_port: int
    keeper: ProcessKeeper
    ready: bool = False

    @property
    def name(self) -> str:
        """The pod's name, as in the metrics."""
        return self.keeper.name


@dataclass
class Leaving:
    """A pod on its way out: first without new requests, then told to end, at last killed."""

    child: Child
    left_at: float
    terminated: bool = False


@dataclass
class PodSet:
    """All pods of a mesh; `poll` moves them towards what is wanted."""

    home: Home
    environment: dict[str, str]
    clock: Callable[[], float]
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    pods: list[Pod] = field(default_factory=list)
    leaving: list[Leaving] = field(default_factory=list)

    def poll(self, wanted: dict[str, int], specs: dict[str, VersionSpec]) -> None:
        """Start what is missing, let go what is too much, notice exits and readiness."""
        self._drop(wanted)
        self._add(wanted, specs)
        for pod in self.pods:
            if (pod.keeper.running or self._may_start()) and pod.keeper.poll():
                pod.ready = False
            pod.ready = pod.keeper.running and (
                pod.ready or answers_http(f"http://{LOOPBACK}:{pod.port}/readyz")
            )
        self._see_off()

    def _may_start(self) -> bool:
        """Tell whether a pod may be started now: loading a model must leave a core to those that serve."""
        starting = sum(pod.keeper.running and not pod.ready for pod in self.pods)
        return starting < max(1, self.cores - 1) or not any(pod.ready for pod in self.pods)

    def endpoints(self, version: str) -> tuple[Endpoint, ...]:
        """Return where the version's ready pods answer."""
        ready = (pod for pod in self.pods if pod.version == version and pod.ready)
        return tuple(Endpoint(pod.name, LOOPBACK, pod.port) for pod in ready)

    def observed(self, version: str) -> Observed:
        """Return what is seen of a version."""
        pods = [pod for pod in self.pods if pod.version == version]
        broken = (pod for pod in pods if pod.keeper.last_exit is not None and not pod.ready)
        message = next(map(_why, broken), "")
        return Observed(sum(pod.ready for pod in pods), sum(pod.keeper.running for pod in pods), message)

    def children(self) -> list[Child]:
        """Return every process of every pod, those on their way out included."""
        current = [pod.keeper.child for pod in self.pods if pod.keeper.child]
        return current + [leaving.child for leaving in self.leaving]

    def _drop(self, wanted: dict[str, int]) -> None:
        surplus = [pod for pod in self.pods if pod.index >= wanted.get(pod.version, 0)]
        self.pods = [pod for pod in self.pods if pod not in surplus]
        self.leaving += [Leaving(pod.keeper.child, self.clock()) for pod in surplus if pod.keeper.child]

    def _add(self, wanted: dict[str, int], specs: dict[str, VersionSpec]) -> None:
        present = {(pod.version, pod.index) for pod in self.pods}
        places = [(version, index) for version, replicas in wanted.items() for index in range(replicas)]
        self.pods += [self._pod(*place, specs[place[0]]) for place in places if place not in present]

    def _pod(self, version: str, index: int, spec: VersionSpec) -> Pod:
        port, admin_port = free_ports(2)
        name = f"bert-{version}-{index}"
        environment = pod_environment(name, version, (port, admin_port), spec) | self.environment
        command = Command(GUNICORN, environment)
        keeper = ProcessKeeper(
            name, lambda: command, home=self.home.root, log=self.home.log(name), clock=self.clock
        )
        return Pod(version, index, port, admin_port, keeper)

    def _see_off(self) -> None:
        for leaving in self.leaving:
            waited = self.clock() - leaving.left_at
            if waited >= DRAIN_LIMIT_S:
                leaving.child.kill()
            elif waited >= DRAIN_S and not leaving.terminated:
                leaving.child.terminate()
                leaving.terminated = True
        self.leaving = [leaving for leaving in self.leaving if leaving.child.exit_code() is None]


def pod_environment(name: str, version: str, ports: tuple[int, int], spec: VersionSpec) -> dict[str, str]:
    """Return what one pod is told through its environment; ``ports`` are for serving and for the admin."""
    serving, admin = ports
    return {
        "BERTMESH_BIND": f"{LOOPBACK}:{serving}",
        "BERTMESH_ADMIN_BIND": f"{LOOPBACK}:{admin}",
        "BERTMESH_POD": name,
        "BERTMESH_VERSION": version,
        "BERTMESH_MODEL": spec.model,
        "BERTMESH_FAULT": spec.fault or "",
        "BERTMESH_HOME_KIND": "local",
        # Several pods share the machine: one thread each keeps it responsive.
        "BERTMESH_THREADS": os.environ.get("BERTMESH_THREADS", "1"),
    }


def targets(pods: Iterable[Pod]) -> list[dict[str, object]]:
    """Return the pods as Prometheus' file_sd targets."""
    return [
        {"targets": [f"{LOOPBACK}:{pod.port}"], "labels": {"pod": pod.name, "version": pod.version}}
        for pod in pods
    ]


def models_dir() -> Path:
    """Return where the shipped models lie: BERTMESH_MODELS_DIR, else `models` beside the packages."""
    return Path(os.environ.get("BERTMESH_MODELS_DIR") or Path(__file__).parents[2] / "models")


def cache_dir() -> Path:
    """Return where pods keep what they make of models: BERTMESH_CACHE_DIR, else below ~/.cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("BERTMESH_CACHE_DIR") or home / "bertmesh" / "models")


def _why(pod: Pod) -> str:
    code, log = pod.keeper.last_exit, pod.keeper.log
    return f"{pod.name} ended: exit code {code}, {last_words(log)} (its log: {log})"

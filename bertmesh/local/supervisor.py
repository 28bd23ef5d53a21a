"""The local mesh: starts Redis, Prometheus, pods, Envoy, controller and console, and keeps them up."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from threading import Event

from bertmesh.errors import PortTaken, StartFailed
from bertmesh.local import backends
from bertmesh.local.backends import answers_http
from bertmesh.local.envoy_files import MeshFiles, split_on_disk
from bertmesh.local.home import Home, MeshInfo, ProcessInfo, VersionSpec, process_start, write_json
from bertmesh.local.keeper import ProcessKeeper
from bertmesh.local.pods import PodSet, cache_dir, models_dir, targets
from bertmesh.local.ports import LOOPBACK, free_ports, gateway_port, holder
from bertmesh.local.processes import Command, kill_strays, stop_all
from bertmesh.local.workloads import WorkloadFiles
from canary.local.store import FileStore
from mesh.errors import EnvoyDown
from mesh.local.admin import Admin
from mesh.local.binaries import find_all
from mesh.model import Endpoint
from mesh.policy import Policy

POLL_S = 0.1
# What ends is noticed at once; this is for what hangs, and a slow machine may need minutes to load a model.
START_LIMIT_S = 300.0
STOP_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Options:
    """What `bertmesh up` was asked for."""

    stable: str
    versions: Mapping[str, VersionSpec]
    port: int | None = None
    policy: Policy = field(default_factory=Policy)
    collector: str | None = None


class LocalMesh:
    """One local mesh. Use `run`, which also cleans up."""

    def __init__(self, home: Home, options: Options, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.home = home
        self.workloads = WorkloadFiles(home)
        self._options = options
        self._clock = clock
        self._keepers: list[ProcessKeeper] = []
        self._files: MeshFiles | None = None
        self._pods = PodSet(home, {}, clock)
        self._told: dict[str, ProcessInfo] = {}

    def run(self, stop: Event, *, on_ready: Callable[[MeshInfo], None]) -> None:
        """Start everything, call ``on_ready``, keep it up until ``stop`` is set, end everything.

        Raises:
            MeshRunning: another supervisor holds the home.
            StartFailed: a part did not become ready; everything else has been ended again.
            PortTaken, mesh.errors.MeshError: as their texts say.
        """
        with self.home.locked():
            kill_strays(self.home.root)
            with gateway_port(self._options.port) as port:
                self._keep_up(port, stop, on_ready)

    def _keep_up(self, port: int, stop: Event, on_ready: Callable[[MeshInfo], None]) -> None:
        try:
            info = self._start(stop, port)
            if not stop.is_set():
                on_ready(info)
            while not stop.wait(POLL_S):
                self._poll()
        finally:
            self._stop()

    def _start(self, stop: Event, port: int) -> MeshInfo:
        tools = find_all()
        info = self._listen_where(port)
        write_json(self.home.info_file, asdict(info))
        self.home.tell_policy(self._options.policy)
        stable = self._know_versions()
        self._pods.environment.update(self._pod_environment(info))
        files = MeshFiles(self.home, info, self._options.policy, collector=self._options.collector)
        files.write_prometheus()
        self._files = files
        redis = self._keep("redis", backends.redis_command(tools.redis, self.home, info))
        prometheus = self._keep("prometheus", backends.prometheus_command(tools.prometheus, self.home, info))
        self._await("redis", redis, lambda: backends.answers_redis(info), stop)
        self._await(f"version {stable}", None, lambda: bool(self._pods.endpoints(stable)), stop)
        files.write_envoy(stable, self._endpoints())
        envoy = self._keep("envoy", Command(files.envoy_command(tools.envoy), {}))
        admin = Admin(info.envoy_admin)
        self._await("envoy", envoy, lambda: _serves(admin, port), stop)
        self._await("prometheus", prometheus, lambda: answers_http(f"{info.prometheus}/-/ready"), stop)
        controller = self._keep("controller", backends.controller_command(self.home))
        console = self._keep("console", backends.console_command(self.home, info))
        self._await("the gateway", envoy, lambda: _has_pods(admin, stable), stop)
        self._await("controller", controller, lambda: self._beats(controller), stop)
        self._await("console", console, lambda: answers_http(f"{info.console}/livez"), stop)
        ready = replace(info, ready=True)
        write_json(self.home.info_file, asdict(ready))
        return ready

    def _listen_where(self, port: int) -> MeshInfo:
        admin, prometheus, redis, console = free_ports(4)
        return MeshInfo(
            pid=os.getpid(),
            started=process_start(os.getpid()) or 0.0,
            gateway=f"http://{LOOPBACK}:{port}",
            envoy_admin=f"http://{LOOPBACK}:{admin}",
            prometheus=f"http://{LOOPBACK}:{prometheus}",
            redis=f"redis://{LOOPBACK}:{redis}/0",
            console=f"http://{LOOPBACK}:{console}",
        )

    def _know_versions(self) -> str:
        """Write down the known versions; return the stable one, which a former run may have changed."""
        self.home.add_versions({**self._options.versions, **self.home.versions()})
        split = split_on_disk(self.home)
        stable = split.stable if split else self._options.stable
        spec = self.home.version(stable)
        if not self.workloads.wanted(stable):
            self.workloads.want(stable, spec.replicas)
        return stable

    def _pod_environment(self, info: MeshInfo) -> dict[str, str]:
        environment = {
            "BERTMESH_MODELS_DIR": str(models_dir()),
            "BERTMESH_CACHE_DIR": str(cache_dir()),
            "BERTMESH_REDIS_URL": info.redis,
        }
        if self._options.collector:
            environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = self._options.collector
        return environment

    def _keep(self, name: str, command: Command) -> ProcessKeeper:
        keeper = ProcessKeeper(
            name, lambda: command, home=self.home.root, log=self.home.log(name), clock=self._clock
        )
        self._keepers.append(keeper)
        keeper.poll()
        return keeper

    def _await(self, part: str, keeper: ProcessKeeper | None, probe: Callable[[], bool], stop: Event) -> None:
        deadline = self._clock() + START_LIMIT_S
        while not stop.is_set() and not probe():
            self._poll()
            if keeper and keeper.last_exit is not None:
                raise StartFailed(part, f"exit code {keeper.last_exit}", keeper.log)
            self._refuse_broken_pods(part)
            if self._clock() > deadline:
                raise StartFailed(part, f"not ready after {START_LIMIT_S:.0f} s", self.home.logs)
            stop.wait(POLL_S)

    def _beats(self, controller: ProcessKeeper) -> bool:
        beat = FileStore(self.home.rollout).last_beat()
        return beat is not None and beat["pid"] == controller.pid

    def _refuse_broken_pods(self, part: str) -> None:
        for pod in self._pods.pods:
            if pod.keeper.last_exit is not None:
                why = self._pods.observed(pod.version).message or f"{pod.name} ended"
                raise StartFailed(part, why, pod.keeper.log)

    def _poll(self) -> None:
        for keeper in self._keepers:
            keeper.poll()
        self._pods.poll(self.workloads.all_wanted(), self.home.versions())
        if self._files:
            self._files.sync(self._endpoints(), targets(self._pods.pods))
        for version in self.home.versions():
            observed = self._pods.observed(version)
            if observed != self.workloads.observed(version):
                self.workloads.observe(version, observed)
        self._tell_processes()

    def _tell_processes(self) -> None:
        processes = {keeper.name: ProcessInfo(keeper.pid, keeper.starts) for keeper in self._keepers}
        for pod in self._pods.pods:
            admin = f"http://{LOOPBACK}:{pod.admin_port}"
            processes[pod.name] = ProcessInfo(pod.keeper.pid, pod.keeper.starts, admin)
        if processes != self._told:
            self.home.tell_processes(processes)
            self._told = processes

    def _endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        return {version: self._pods.endpoints(version) for version in self.home.versions()}

    def _stop(self) -> None:
        """End console, controller and gateway first, then the pods, then what they lean on."""
        by_name = {keeper.name: keeper.child for keeper in self._keepers if keeper.child}
        front = [by_name[name] for name in ("console", "controller", "envoy") if name in by_name]
        back = [by_name[name] for name in ("prometheus", "redis") if name in by_name]
        for group in (front, self._pods.children(), back):
            stop_all(group, patience_s=STOP_PATIENCE_S)
        self.home.info_file.unlink(missing_ok=True)


def _serves(admin: Admin, port: int) -> bool:
    """Tell whether the gateway listens on its port.

    Raises:
        PortTaken: somebody else has taken its port while the pods were starting.
    """
    with suppress(EnvoyDown):
        if admin.cannot_listen():
            raise PortTaken(port, holder(port))
    return admin.is_ready()


def _has_pods(admin: Admin, version: str) -> bool:
    """Tell whether Envoy would send a request to a version; a busy Envoy may answer late."""
    with suppress(EnvoyDown):
        return admin.members(version).healthy > 0
    return False

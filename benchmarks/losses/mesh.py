"""Pods behind the real Envoy, as the local mesh runs them."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil
import urllib3

from benchmarks.pods import OK, ZH_SMALL
from benchmarks.serving.processes import running
from bertmesh.local.ports import free_port
from mesh.envoy import Options
from mesh.local.admin import Admin
from mesh.local.binaries import find_envoy
from mesh.local.files import EnvoyFiles
from mesh.local.router import LocalRouter
from mesh.model import Endpoint, Split, Version, local_mesh

VERSION = "1.0"
PATIENCE_S = 300.0
GUNICORN = ("-m", "gunicorn", "-c", "python:benchmarks.losses.variant")
POD, STUB = "service.api.app:create_app()", "benchmarks.losses.stub:create_app()"


@dataclass
class Pod:
    """A pod that runs, or ran."""

    endpoint: Endpoint
    process: psutil.Process

    @property
    def port(self) -> int:
        """Where it answers."""
        return self.endpoint.port

    def ended(self) -> float:
        """Wait until it has ended; return how many seconds that took."""
        begun = time.monotonic()
        await_true(lambda: self.process.status() == psutil.STATUS_ZOMBIE, "the pod has ended")
        return time.monotonic() - begun

    def kill(self) -> None:
        """Kill all of its processes, as the kernel does for want of memory."""
        for each in (self.process, *self.process.children()):
            each.send_signal(signal.SIGKILL)


class Mesh:
    """An Envoy and its pods, or stubs of pods; ``without`` is what they lack of our own."""

    def __init__(self, folder: Path, without: str, *, stub: bool) -> None:
        self.options = Options(folder=str(folder / "envoy"), port=free_port(), admin_port=free_port())
        self.files = EnvoyFiles(self.options)
        self.admin = Admin(f"http://127.0.0.1:{self.options.admin_port}")
        self.members: list[Pod] = []
        self._folder, self._count = folder, 0
        self._env = {"BENCH_WITHOUT": without, **({"BENCH_STUB": "1"} if stub else {})}
        self._command = [sys.executable, *GUNICORN, STUB if stub else POD]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.files.write_all(local_mesh((Version(VERSION, ()),), Split(VERSION)))
        LocalRouter(self.files.folder, self.admin.url, versions=lambda: [VERSION]).prepare(Split(VERSION))
        self._stack.enter_context(running(self.files.command(find_envoy()), {}, self._folder / "envoy.log"))
        await_true(self.admin.is_ready, "Envoy is ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, changes: Mapping[str, str] | None = None) -> Pod:
        """Start a pod; return it when it is ready. Envoy does not know it yet."""
        port, number = free_port(), self._count
        self._count += 1
        env = {
            "BERTMESH_BIND": f"127.0.0.1:{port}",
            "BERTMESH_MODEL": str(ZH_SMALL),
            "BERTMESH_VERSION": VERSION,
            "BERTMESH_THREADS": "1",
            "BERTMESH_LOG_LEVEL": "WARNING",
            **self._env,
            **(changes or {}),
        }
        log = self._folder / f"pod-{number}.log"
        process = self._stack.enter_context(running(self._command, env, log))
        await_true(lambda: _ready(port), f"a pod is ready, see {log}")
        return Pod(Endpoint(f"pod-{number}", "127.0.0.1", port), process)

    def route_to(self, *pods: Pod) -> None:
        """Make these the pods behind Envoy; return when it has found all of them healthy."""
        self.members = list(pods)
        self.files.write_endpoints(Version(VERSION, tuple(pod.endpoint for pod in pods)))
        await_true(lambda: self.admin.members(VERSION).healthy == len(pods), "Envoy's pods are healthy")


@contextmanager
def many_files() -> Iterator[None]:
    """Let this process have as many connections as it may."""
    import resource  # noqa: PLC0415 - not everywhere

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def await_true(true: Callable[[], object], what: str) -> None:
    """Poll until something is true; end the program if it never is."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > end:
            sys.exit(f"after {PATIENCE_S:.0f} s still not: {what}")
        time.sleep(0.02)


def _ready(port: int) -> bool:
    try:
        answer = urllib3.request("GET", f"http://127.0.0.1:{port}/readyz", retries=False, timeout=1)
    except urllib3.exceptions.HTTPError:
        return False
    return answer.status == OK

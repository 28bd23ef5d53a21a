"""A real Envoy as the gateway of a small mesh, for tests."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from bertmesh.local.ports import free_port
from mesh.envoy import Options
from mesh.local.admin import Admin
from mesh.local.binaries import find_envoy
from mesh.local.files import EnvoyFiles
from mesh.local.router import LocalRouter
from mesh.model import Mesh, Split, Version, local_mesh
from mesh.policy import Policy
from tests.support.pods import FakePod
from tests.support.processes import running, wait_until

Pods = Mapping[str, Sequence[FakePod]]


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    json: Any

    @property
    def version(self) -> str | None:
        """The version of the pod that answered."""
        return self.headers.get("x-model-version")


class Gateway:
    """A running gateway: its address, its files, its router."""

    def __init__(
        self,
        folder: Path,
        versions: Sequence[str],
        policy: Policy | None = None,
        *,
        collector: str | None = None,
        port: int | None = None,
    ) -> None:
        self.options = Options(
            folder=str(folder / "envoy"),
            port=port or free_port(),
            admin_port=free_port(),
            access_log=str(folder / "access.log"),
            collector=collector,
        )
        self.folder = folder
        self.policy = policy or Policy()
        self.versions = list(versions)
        self.files = EnvoyFiles(self.options)
        self.url = f"http://127.0.0.1:{self.options.port}"
        self.admin = Admin(f"http://127.0.0.1:{self.options.admin_port}")
        self.log = folder / "envoy.log"
        self.router = self.make_router()
        self._client = urllib3.PoolManager(maxsize=16, retries=False, timeout=20)

    def make_router(self, **changes: Any) -> LocalRouter:  # noqa: ANN401 - passed on as they are
        """Return a router on this gateway."""
        arguments = {"versions": lambda: self.versions, "policy": self.policy, "log": self.log, **changes}
        return LocalRouter(self.files.folder, self.admin.url, **arguments)

    def call(self, path: str = "/fill-mask", *, method: str = "POST", **headers: str) -> Answer:
        """Send a request; underscores in the names of headers stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = b'{"text": "[MASK]"}' if method == "POST" else None
        response = self._client.request(method, f"{self.url}{path}", body=body, headers=named)
        is_json = "json" in response.headers.get("content-type", "")
        lower = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, lower, response.data, response.json() if is_json else None)

    def mesh(self, split: Split, pods: Pods) -> Mesh:
        """Return the mesh with these pods."""
        versions = (
            Version(name, tuple(pod.endpoint for pod in pods.get(name, ()))) for name in self.versions
        )
        return local_mesh(tuple(versions), split, self.policy)

    def set_pods(self, version: str, pods: Sequence[FakePod]) -> None:
        """Change the pods of a version, and wait until Envoy has found all of them healthy."""
        self.files.write_endpoints(Version(version, tuple(pod.endpoint for pod in pods)))
        self.await_healthy(version, len(pods))

    def await_healthy(self, version: str, count: int) -> None:
        """Wait until Envoy counts so many healthy pods."""
        wait_until(
            lambda: self.admin.members(version).healthy == count, f"{count} healthy pods of version {version}"
        )

    def metrics(self) -> str:
        """Return the metrics as Prometheus would scrape them."""
        response = urllib3.request("GET", f"{self.admin.url}/stats/prometheus", retries=False)
        return response.data.decode()


@contextmanager
def gateway(
    folder: Path,
    pods: Pods,
    split: Split,
    *,
    policy: Policy | None = None,
    collector: str | None = None,
) -> Iterator[Gateway]:
    """Run Envoy before these pods, with this split; ready means that it has found the pods healthy."""
    here = Gateway(folder, list(pods), policy, collector=collector)
    here.files.write_all(here.mesh(split, pods))
    here.router.prepare(split)
    with running("envoy", here.files.command(find_envoy()), folder=folder, ready=here.admin.is_ready):
        for version, members in pods.items():
            here.await_healthy(version, len(members))
        yield here

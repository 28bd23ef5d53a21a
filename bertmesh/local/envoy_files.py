"""The supervisor's share of Envoy's and Prometheus' files: everything but the routes once it runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bertmesh.local.home import Home, MeshInfo, write_json
from bertmesh.local.workloads import WorkloadFiles
from mesh.envoy import Options
from mesh.errors import UnreadableRoutes
from mesh.local.files import EnvoyFiles, write_yaml
from mesh.local.prometheus import render_prometheus
from mesh.local.routefile import RouteFile
from mesh.local.router import LocalRouter
from mesh.model import Endpoint, Split, Version, local_mesh
from mesh.policy import Policy

Endpoints = Mapping[str, tuple[Endpoint, ...]]


def local_router(home: Home, admin_url: str) -> LocalRouter:
    """Return the router of a home; requests can be pinned to the versions that shall have pods."""
    versions = WorkloadFiles(home).running_versions
    return LocalRouter(home.envoy, admin_url, versions=versions, policy=home.policy(), log=home.log("envoy"))


def split_on_disk(home: Home) -> Split | None:
    """Return the split of the route file, or None where there is none yet."""
    try:
        return RouteFile(home.envoy).split()
    except UnreadableRoutes:
        return None


class MeshFiles:
    """Writes what changes while pods come and go, and only then."""

    def __init__(self, home: Home, info: MeshInfo, policy: Policy, *, collector: str | None) -> None:
        """Take where the mesh listens; ``collector`` is an OTLP/HTTP collector's base URL or None."""
        self._home = home
        self._info = info
        self._policy = policy
        self._envoy = EnvoyFiles(
            Options(
                folder=str(home.envoy),
                port=urlsplit(info.gateway).port or 0,
                admin_port=urlsplit(info.envoy_admin).port or 0,
                access_log=str(home.log("access")),
                collector=collector,
            )
        )
        self._pods_file = home.prometheus / "targets" / "pods.json"
        self._targets: list[dict[str, Any]] | None = None
        self._endpoints: Endpoints = {}
        self._stable = ""

    def write_prometheus(self) -> None:
        """Write prometheus.yml and an empty list of pods."""
        write_json(self._pods_file, [])
        document = render_prometheus(self._info.envoy_admin, self._pods_file.parent)
        write_yaml(self._home.prometheus / "prometheus.yml", document)

    def write_envoy(self, stable: str, endpoints: Endpoints) -> None:
        """Write all that Envoy starts with, the first routes included."""
        self._stable = stable
        split = local_router(self._home, self._info.envoy_admin).prepare(Split(stable))
        versions = tuple(Version(name, pods) for name, pods in endpoints.items())
        self._envoy.write_all(local_mesh(versions, split, self._policy))
        self._endpoints = endpoints

    def envoy_command(self, binary: Path) -> list[str]:
        """Return the words that start Envoy on these files."""
        return self._envoy.command(binary, concurrency=1)

    def sync(self, endpoints: Endpoints, targets: list[dict[str, Any]]) -> None:
        """Bring endpoints, clusters and scrape targets up to date."""
        if self._stable:
            self._sync_envoy(endpoints)
        if targets != self._targets:
            write_json(self._pods_file, targets)
            self._targets = targets

    def _sync_envoy(self, endpoints: Endpoints) -> None:
        if set(endpoints) != set(self._endpoints):
            versions = tuple(Version(name, pods) for name, pods in endpoints.items())
            self._envoy.write_clusters(local_mesh(versions, Split(self._stable), self._policy))
        for name, pods in endpoints.items():
            if pods != self._endpoints.get(name):
                self._envoy.write_endpoints(Version(name, pods))
        self._endpoints = endpoints

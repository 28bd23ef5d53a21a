"""Which versions shall run with how many pods: the local home's stand-in for Deployments.

The controller writes what is wanted, the supervisor what it sees; a file each, so that no two
processes write one file.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bertmesh.local.home import Home, read_json, write_json
from canary.controller.ports import WorkloadStatus


@dataclass(frozen=True)
class Observed:
    """What the supervisor sees of a version: pods ready to answer, and in words what is wrong."""

    ready: int = 0
    running: int = 0
    message: str = ""


@dataclass(frozen=True)
class WorkloadFiles:
    """The workload files of a home: the supervisor starts and stops what the controller asks for in them."""

    home: Home

    def want(self, version: str, replicas: int) -> None:
        """State how many pods of a version shall run."""
        path = self._file(version, "wanted")
        if self.wanted(version) != replicas or not path.exists():
            write_json(path, {"replicas": replicas})

    def wanted(self, version: str) -> int:
        """Return how many pods of a version shall run."""
        path = self._file(version, "wanted")
        return int(read_json(path)["replicas"]) if path.exists() else 0

    def all_wanted(self) -> dict[str, int]:
        """Return the wanted replicas of every known version."""
        return {version: self.wanted(version) for version in self.home.versions()}

    def observe(self, version: str, observed: Observed) -> None:
        """State what is seen of a version."""
        write_json(self._file(version, "observed"), asdict(observed))

    def observed(self, version: str) -> Observed:
        """Return what was last seen of a version."""
        path = self._file(version, "observed")
        return Observed(**read_json(path)) if path.exists() else Observed()

    def running_versions(self) -> Sequence[str]:
        """Return the versions that shall have pods: those a request may be pinned to."""
        return sorted(version for version, replicas in self.all_wanted().items() if replicas)

    def versions(self) -> Sequence[str]:
        """Return the versions that this home knows."""
        return sorted(self.home.versions())

    def status(self, version: str) -> WorkloadStatus:
        """Return what is wanted and seen of a version."""
        seen, known = self.observed(version), version in self.home.versions()
        return WorkloadStatus(self.wanted(version), seen.ready, known=known, message=seen.message)

    def scale(self, version: str, replicas: int) -> None:
        """State how many pods a version shall have.

        Raises:
            UnknownVersion: this home does not know it.
        """
        self.home.version(version)
        self.want(version, replicas)

    def _file(self, version: str, what: str) -> Path:
        return self.home.workloads / f"{version}.{what}.json"

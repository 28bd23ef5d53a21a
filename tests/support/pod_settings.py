"""What a pod makes of its environment, as its own code reads it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping

from service.pod.settings import Settings


class Noting(Mapping[str, str]):
    """An environment that remembers what was asked for."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def unknown(given: Mapping[str, str]) -> set[str]:
    """Return those of the project's variables that no setting of a pod is read from."""
    noting = Noting({"BERTMESH_MODEL": "any", **given})
    Settings.from_env(noting)
    return {name for name in given if name.startswith("BERTMESH_")} - noting.asked


def keepalive_s() -> int:
    """Return for how long a pod keeps an idle connection."""
    # A process of its own: the module readies its process for a pod.
    program = "import runpy; print(runpy.run_module('service.server.gunicorn_conf')['keepalive'])"
    env = {**os.environ, "BERTMESH_MODEL": "any"}
    return int(subprocess.check_output([sys.executable, "-c", program], env=env))

"""A cluster with an operator at work, a hundred times faster than life, and commands given to it."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from bertmesh.commands.cli import cli
from bertmesh.commands.kubectl import plugin
from canary.operator.keeper import RolloutKeeper
from tests.canary.fakes import FakeClock
from tests.canary.operator.clusters import Cluster
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import ROOT
from tests.support.processes import wait_until


class Busy:
    """A cluster whose operator looks after every ModelRollout of the namespace ``default``."""

    def __init__(self, api: KubeApi, folder: Path, **traffic: Any) -> None:  # noqa: ANN401 - for FakeTraffic
        self.cluster = Cluster(api, FakeClock(time.time()), **traffic)
        self.api = api
        self.config = api.kubeconfig(folder / "config")
        self._tools = self.cluster.tools()
        self._keepers: dict[str, RolloutKeeper] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)
        self.working = True
        self._passing = threading.Lock()

    def attend(self) -> None:
        """Make a pass over all there is."""
        with self._passing:
            for each in self.api.all("ModelRollout", "default") if self.working else ():
                name = each["metadata"]["name"]
                keeper = self._keepers.setdefault(name, RolloutKeeper(self._tools, "default", name))
                keeper.wake()
                keeper.attend()

    def rest(self) -> None:
        """Let the operator make no more passes: none is under way when this returns."""
        with self._passing:
            self.working = False

    def _live(self) -> None:
        while not self._stop.wait(0.01):
            self.cluster.run(self, 1.0)

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> Result:
        """Give a command, with the kubeconfig named in it."""
        arguments = ["rollout", *words, "--kubeconfig", str(self.config)]
        return CliRunner().invoke(cli, arguments, env=env)

    def kubectl(self, *words: str, env: Mapping[str, str] | None = None) -> Result:
        """Give a command as kubectl hands it to its plugin."""
        return CliRunner().invoke(plugin, list(words), env={"KUBECONFIG": str(self.config), **(env or {})})

    def until(self, phase: str, canary: str = "") -> None:
        """Wait for a phase, perhaps of a certain canary's rollout."""

        def there() -> bool:
            status = self.cluster.status
            return status.get("phase") == phase and canary in ("", status.get("canary"))

        wait_until(there, lambda: f"{phase}, it is {self.cluster.status}")

    def pass_time(self, seconds: float) -> None:
        """Wait until so much time has passed in the cluster."""
        end = self.cluster.clock.time + seconds
        wait_until(lambda: self.cluster.clock.time > end, "time passes")


@contextmanager
def busy(api: KubeApi, folder: Path, **traffic: Any) -> Iterator[Busy]:  # noqa: ANN401 - for FakeTraffic
    made = Busy(api, folder, **traffic)
    made._thread.start()
    try:
        yield made
    finally:
        made._stop.set()
        made._thread.join()


def roles(*names: str) -> Sequence[dict[str, Any]]:
    """Return the Roles for people, as they are in the namespace ``default``."""
    text = (ROOT / "deploy" / "rbac" / "people.yaml").read_text("utf-8")
    found = [each for each in yaml.safe_load_all(text) if each["metadata"]["name"] in names]
    return [{**each, "metadata": {**each["metadata"], "namespace": "default"}} for each in found]

"""Everything real but the pods: the API server, Prometheus, and an operator process that can be killed."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bertmesh.local.ports import free_port
from canary.cluster.store import decode
from canary.operator.process import run
from canary.operator.settings import OperatorSettings
from canary.operator.timing import Timing
from tests.canary.operator.clusters import FAST
from tests.canary.operator.crowds import Crowd, Habits, exported
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import ROOT
from tests.support.kubeapi.samples import deployment, rollout
from tests.support.processes import LIMIT_S, prometheus_server, wait_until

TIMING = Timing(idle_s=1.0, drain_s=2.0, patience_s=30.0, farewell_s=30.0)


class Town:
    """Services that are called all the time, in a cluster with an operator. ``api`` must be serving."""

    def __init__(self, api: KubeApi, folder: Path, habits: Mapping[str, Habits]) -> None:
        self.api, self.folder = api, folder
        self.habits = dict(habits)
        self.port = free_port()
        self.stuck: set[str] = set()
        self.complete = ExitStack()
        self._prometheus = ExitStack()
        self._operator: subprocess.Popen[bytes] | None = None
        self._over = threading.Event()
        for service in habits:
            for version, replicas in (("1.0", 2), ("1.1", 0)):
                labels = {"app": service, "version": version}
                api.create(deployment(f"{service}-{version}", replicas=replicas, labels=labels))

    def begin(self) -> None:
        """Let requests flow, and be counted for a while."""
        self._address = self.complete.enter_context(exported(Crowd(self.api, self.habits)))
        settler = threading.Thread(target=self._settle)
        settler.start()
        self.complete.callback(settler.join)
        self.complete.callback(self._over.set)
        self.complete.callback(self.kill)
        self.complete.callback(self.stop_prometheus)
        self.start_prometheus()
        self.start()
        time.sleep(5)  # a little of the stable's past

    def start_prometheus(self) -> None:
        """Start a Prometheus; always on the same port."""
        scrape = {
            "job_name": "mesh",
            "scrape_interval": "500ms",
            "scrape_timeout": "500ms",
            "honor_labels": True,
            "static_configs": [{"targets": [self._address]}],
        }
        server = prometheus_server(self.folder / "prometheus", {"scrape_configs": [scrape]}, self.port)
        self._prometheus.enter_context(server)

    def stop_prometheus(self) -> None:
        """End it without warning, with all that it has recorded."""
        self._prometheus.close()

    def start(self) -> None:
        """Start an operator; none runs, so that its Lease is nobody's any more."""
        if self.api.has("Lease", "bertmesh-controller"):
            self.api.delete("Lease", "bertmesh-controller")
        config = self.api.kubeconfig(self.folder / "kubeconfig")
        words = [str(config), f"http://127.0.0.1:{self.port}"]
        with (self.folder / "operator.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.canary.operator.towns", *words]
            self._operator = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=os.environ)

    def kill(self) -> None:
        """End the operator by SIGKILL."""
        if self._operator is not None:
            self._operator.kill()
            self._operator.wait(LIMIT_S)

    def roll(self, service: str, **spec: Any) -> None:  # noqa: ANN401 - any JSON
        """Begin a rollout."""
        self.api.create(rollout(service, service=service, **{"policy": FAST, **spec}))

    def status(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get("ModelRollout", service).get("status", {})
        return found

    def phase(self, service: str) -> str:
        return str(self.status(service).get("phase"))

    def judge(self, service: str) -> Any:  # noqa: ANN401 - the controller's state
        return decode(service, self.status(service)["judge"])[0]

    def proved(self, service: str) -> bool:
        return self.status(service).get("weightProved") == 20

    def reasons(self, service: str) -> list[str]:
        """Return why each thing was done, as the status remembers it."""
        return [line["reason"] for line in self.status(service).get("history", ())]

    def events(self, service: str) -> list[Mapping[str, Any]]:
        return [each for each in self.api.all("Event") if each["involvedObject"]["name"] == service]

    def until(self, fact: Callable[[], object], what: str) -> None:
        """Wait until something is so; say how all rollouts stand if it never is."""

        def never() -> str:
            stand = {name: self.status(name).get("message") for name in self.habits if self._has(name)}
            return f"{what}: {json.dumps(stand, indent=1, ensure_ascii=False)}"

        wait_until(fact, never)

    def until_phase(self, service: str, *phases: str) -> None:
        """Wait until a rollout is in one of these phases."""
        self.until(lambda: self.phase(service) in phases, f"{service} is {' or '.join(phases)}")

    def _has(self, service: str) -> bool:
        return self.api.has("ModelRollout", service)

    def _settle(self) -> None:
        while not self._over.wait(0.2):
            for each in self.api.all("Deployment"):
                name, known = each["metadata"]["name"], each.get("status", {}).get("observedGeneration")
                if known != each["metadata"]["generation"] and name not in self.stuck:
                    self.api.settle(name)


@contextmanager
def town(api: KubeApi, folder: Path, habits: Mapping[str, Habits]) -> Iterator[Town]:
    """Yield a town in which life goes on."""
    made = Town(api, folder, habits)
    with made.complete:
        made.begin()
        yield made


def main() -> None:
    """Be the operator's process."""
    config, prometheus = sys.argv[1:]
    settings = OperatorSettings(
        prometheus,
        ("default",),
        lease_namespace="default",
        metrics_port=0,
        kubeconfig=config,
        timing=TIMING,
    )
    run(settings, threading.Event())


if __name__ == "__main__":
    main()

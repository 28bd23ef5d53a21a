"""Replicas of the operator in this process, as threads; or as child processes that can be killed."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from canary.controller.gates import Webhooks
from canary.operator.process import Replica
from canary.operator.settings import OperatorSettings
from canary.operator.timing import LeaseTiming, Timing
from canary.operator.tools import Adapters
from canary.prometheus.shared import SharedPrometheus
from tests.canary.operator.clusters import Cluster
from tests.support.kubeapi.known import ROOT
from tests.support.processes import LIMIT_S

RBAC = ROOT / "deploy" / "rbac"
QUICK = LeaseTiming(duration_s=60.0, renew_s=0.3)


class TestedReplica(Replica):
    """A replica whose outside, but for the API, is the cluster's."""

    __test__ = False
    cluster: Cluster | None = None

    def _tools(self, webhooks: Webhooks, shared: SharedPrometheus) -> Adapters:
        tools = super()._tools(webhooks, shared)
        if self.cluster is not None:
            traffic = self.cluster.traffic
            tools.metrics = lambda _service: traffic
        return tools


@contextmanager
def running(
    cluster: Cluster, token: str = "", **options: object
) -> Iterator[tuple[TestedReplica, threading.Event]]:
    """Run a replica, watching ``default``, until the end of the block."""
    timing = Timing(idle_s=1.0, drain_s=0.5, patience_s=20.0, farewell_s=30.0)
    settings = OperatorSettings(
        "http://127.0.0.1:9", ("default",), lease_namespace="default", lease=QUICK, timing=timing
    )
    replica = TestedReplica(replace(settings, **options), cluster.api.client(token))  # type: ignore[arg-type]
    replica.cluster = cluster
    stop = threading.Event()
    thread = threading.Thread(target=replica.run, args=(stop,))
    thread.start()
    try:
        yield replica, stop
    finally:
        stop.set()
        thread.join(LIMIT_S)
        assert not thread.is_alive()


def documents(name: str) -> list[dict[str, Any]]:
    """Return what a file in deploy/rbac holds."""
    return list(yaml.safe_load_all((RBAC / name).read_text("utf-8")))


def role(name: str) -> dict[str, Any]:
    """Return the Role in a file, as it is in the namespace of the test."""
    found = next(each for each in documents(name) if each["kind"] in {"Role", "ClusterRole"})
    return {**found, "metadata": {**found["metadata"], "namespace": "default"}}


@contextmanager
def child(cluster: Cluster, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command as a process of its own, with its Roles, watching ``default``, without Prometheus."""
    cluster.api.grant("operator", [role("namespaced.yaml"), role("lease.yaml")])
    config = cluster.api.kubeconfig(folder / "kubeconfig", token="operator")
    program = "from bertmesh.commands.operator import operator; operator()"
    arguments = ["-n", "default", "--prometheus", "http://127.0.0.1:9", "--metrics-port", "0"]
    log = (folder / "log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments, "--kubeconfig", str(config)],
        stdout=log, stderr=log, cwd=ROOT,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait(LIMIT_S)
        log.close()

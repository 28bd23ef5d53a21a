"""`make run-cluster`: the four acts of `make run` on a real control plane, by `helm install`."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console

from bertmesh.commands.edge import KNOWN_ERRORS
from bertmesh.demo.run import play_acts
from tests.cluster.conftest import programs_of
from tests.cluster.control_plane import Network
from tests.cluster.gateway import gateway
from tests.cluster.istio import istio
from tests.cluster.kubernetes import kubernetes
from tests.cluster.namespaces import NoNamespace, own_network
from tests.cluster.node import Node
from tests.cluster.programs import ProgramMissing, Shelf
from tests.cluster.town import SEED, ClusterVenue, Town, town
from tests.support.helm import HelmMissing, helm, kubectl
from tests.support.processes import prometheus_binary

TERMINATED: Final = 128 + signal.SIGTERM
FIXTURES: Final = ("control_plane", "mesh", "ingress", "sidecars")


@contextmanager
def _town(folder: Path, console: Console) -> Iterator[Town]:
    """Start all that a cluster with Istio is, and install the release."""
    # Once in a namespace of its own, the process can fetch nothing.
    for fetched in (helm, kubectl, prometheus_binary):
        fetched()
    programs = Shelf.of_user(os.environ, lambda line: console.print(line, soft_wrap=True)).get(
        programs_of(FIXTURES)
    )
    network = Network()
    with own_network(network):
        console.print(f"starting API server, istiod, gateway and a node; logs in {folder / 'logs'} ...")
        with (
            kubernetes(folder, programs, network) as plane,
            istio(plane) as mesh,
            gateway(mesh) as ingress,
            Node(mesh),
            town(mesh, ingress) as here,
        ):
            yield here


def main() -> int:
    """Play, and return 0 if every promise was kept; the logs of a run that failed are kept."""
    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(TERMINATED))
    folder = Path(tempfile.mkdtemp(prefix="bertmesh-cluster-"))
    begin = time.monotonic()
    try:
        with _town(folder, console) as here:
            start_s = time.monotonic() - begin
            console.print(
                f"installed by Helm and ready after {start_s:.1f} s: {here.host} at {here.gateway.address}"
            )
            kept = play_acts(ClusterVenue(here), start_s=start_s, rate=None, seed=SEED, console=console)
    except (
        *KNOWN_ERRORS,
        HelmMissing,
        NoNamespace,
        ProgramMissing,
        AssertionError,
        pytest.fail.Exception,
    ) as error:
        console.print(f"{error}", soft_wrap=True, style="red", markup=False)
        kept = False
    logs = folder / "logs"
    if kept or not logs.exists():
        shutil.rmtree(folder)
    else:
        console.print(f"all logs are in {logs}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())

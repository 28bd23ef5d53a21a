"""How long a weight takes from its write to the traffic: by our router, and by istiod alone.

    python -m benchmarks.weight_to_traffic [--changes N]

Runs on the control plane of the tests (root; tests/cluster). One gateway has two Services of two versions.
All traffic of one is sent to and fro by our router, whose route has rules for pins, cohorts and questions;
that of the other by a merge patch of a VirtualService with one rule. From each write's answer on requests are
sent, one after the other, until the other version answers; both in turns, so that they meet the same machine.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from mesh.cluster.api import MERGE, ClusterApi
from mesh.model import Split, subset_name
from tests.cluster.conftest import programs_of
from tests.cluster.control_plane import ControlPlane, Document, Network
from tests.cluster.gateway import Gateway, gateway
from tests.cluster.istio import istio
from tests.cluster.kubernetes import kubernetes
from tests.cluster.namespaces import own_network
from tests.cluster.programs import Shelf
from tests.cluster.two_versions import VERSIONS, host_of, router_of, with_pods
from tests.support.helm import kubectl
from tests.support.processes import wait_until

FIXTURES: Final = ("control_plane", "mesh", "ingress")
MS: Final = 1000
LIMIT_S: Final = 60.0
Write = Callable[[str], object]


def main() -> None:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--changes", type=int, default=50, help="of each")
    changes: int = parser.parse_args().changes
    console = Console(highlight=False)
    kubectl()
    programs = Shelf.of_user(os.environ, console.print).get(programs_of(FIXTURES))
    with tempfile.TemporaryDirectory() as folder, own_network(Network()), ExitStack() as stack:
        plane = stack.enter_context(kubernetes(Path(folder), programs, Network()))
        plane = stack.enter_context(istio(plane))
        ingress = stack.enter_context(gateway(plane))
        ours, alone = (stack.enter_context(_service(plane)) for _ in range(2))
        wait_until(lambda: ingress.listens(80), "the gateway listens")
        writes = (("ours", ours, _ours(plane, ours)), ("istiod alone", alone, _alone(plane, alone)))
        took: dict[str, list[float]] = {name: [] for name, *_ in writes}
        for number in range(changes + 1):
            for name, namespace, write in writes:
                seconds = _change(ingress, namespace, write, VERSIONS[number % 2])
                took[name] += [seconds] if number else []
    for name, seconds in took.items():
        cuts = statistics.quantiles(seconds, n=20)
        console.print(
            f"{name:<14} median {MS * statistics.median(seconds):5.0f} ms, 95 % within "
            f"{MS * cuts[-1]:5.0f} ms ({len(seconds)} changes)"
        )
    apart = statistics.median(took["ours"]) - statistics.median(took["istiod alone"])
    console.print(f"apart: {MS * apart:+.0f} ms")


@contextmanager
def _service(plane: ControlPlane) -> Iterator[str]:
    """Make a Service of two versions with a pod each; yield its namespace."""
    with plane.namespace() as namespace, with_pods(plane, namespace):
        yield namespace


def _ours(plane: ControlPlane, namespace: str) -> Write:
    router = router_of(plane, namespace)
    return lambda version: router.apply(Split(version))


def _alone(plane: ControlPlane, namespace: str) -> Write:
    """Make a route of one rule; return what changes it."""

    def rules(version: str) -> Document:
        target = {"host": "bert", "subset": subset_name(version), "port": {"number": 80}}
        return {"http": [{"route": [{"destination": target}]}]}

    head = {"apiVersion": "networking.istio.io/v1", "metadata": {"name": "bert", "namespace": namespace}}
    subsets = [{"name": subset_name(each), "labels": {"version": each}} for each in VERSIONS]
    plane.apply(
        {**head, "kind": "DestinationRule", "spec": {"host": "bert", "subsets": subsets}},
        {
            **head,
            "kind": "VirtualService",
            "spec": {"hosts": [host_of(namespace)], "gateways": ["bert"], **rules(VERSIONS[1])},
        },
    )
    api = ClusterApi(plane.client())
    path = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/bert"
    return lambda version: api.request("PATCH", path, body={"spec": rules(version)}, content_type=MERGE)


def _change(ingress: Gateway, namespace: str, write: Write, version: str) -> float:
    """Send all traffic to a version; return after how many seconds it answered."""
    host = host_of(namespace)
    write(version)
    begin = time.perf_counter()
    while (spent := time.perf_counter() - begin) < LIMIT_S:
        if ingress.call(host).headers.get("x-model-version") == version:
            return spent
    message = f"{version} did not answer for {host} within {LIMIT_S:g} s"
    raise TimeoutError(message)


if __name__ == "__main__":
    main()

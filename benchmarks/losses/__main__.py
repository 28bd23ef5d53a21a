"""What a pod loses at its end and to strangers: ``python -m benchmarks.losses [--without ...] [--runs 10]``.

Steady clients ask through Envoy, and on the port of each pod that is about to end: kept connections that are
busy and ones that are mostly idle, and new ones. ``--without`` takes parts of our own away, see
`benchmarks.losses.variant`; several variants are measured one after the other.
"""

import argparse
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.losses.clients import Client, Seen
from benchmarks.losses.mesh import Mesh, Pod, many_files
from benchmarks.losses.strangers import KINDS, strangers
from benchmarks.pods import end_on_sigterm
from bertmesh.local.pods import DRAIN_S

PRE_STOP_S, FORGOTTEN_S = 5.0, 1.0
"""The chart's preStop, and how long a gateway may need to notice that a pod leaves."""
UNDER_STRANGERS_S = 10.0
FEW = {"BERTMESH_QUEUE_ITEMS": "16"}
"""80 threads instead of 320: strangers need fewer connections to take them."""


def main() -> None:
    """Measure and print a table for each variant."""
    end_on_sigterm()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.losses")
    parser.add_argument("--without", nargs="*", default=["", "everything"], help="variants, each quoted")
    parser.add_argument("--runs", type=int, default=10, help="of each end (10)")
    parser.add_argument("--only", nargs="*", default=[*ENDS, *KINDS], help="which ends and strangers")
    parser.add_argument("--stub", action="store_true", help="pods without a model, which start sooner")
    told = parser.parse_args()
    for without in told.without:
        print(f"\n== without {without or 'nothing: the pod as it is'}", flush=True)
        with (
            many_files(),
            tempfile.TemporaryDirectory() as name,
            Mesh(Path(name), without, stub=told.stub) as mesh,
        ):
            for kind in [each for each in ENDS if each in told.only]:
                show(kind, *ends(mesh, ENDS[kind], told.runs))
            if wanted := [each for each in KINDS if each in told.only]:
                plagued(mesh, wanted)


def ends(mesh: Mesh, end: Callable[[Mesh, Pod], None], runs: int) -> tuple[Seen, Seen, float]:
    """End pods one by one; return what was seen through Envoy and on their ports, and the longest end."""
    through, beside, longest = Seen(), Seen(), 0.0
    stays = mesh.start()
    mesh.route_to(stays)
    with (
        ThreadPoolExecutor(2) as ahead,
        asked([Client(mesh.options.port) for _ in range(4)], through),
    ):
        for leaves in ahead.map(lambda _: mesh.start(), range(runs)):
            mesh.route_to(stays, leaves)
            everybody = [Client(leaves.port, pause_s=pause) for pause in (0.005, 0.01, 0.5, 3.0)]
            everybody += [Client(leaves.port, pause_s=0.002, kept=False) for _ in range(2)]
            with asked(everybody, beside):
                time.sleep(1.5)
                end(mesh, leaves)
                longest = max(longest, leaves.ended())
    stays.kill()
    return through, beside, longest


def scaled_down(mesh: Mesh, pod: Pod) -> None:
    """Take a pod away as the local mesh does: no new requests, and a little later SIGTERM."""
    mesh.route_to(*(each for each in mesh.members if each is not pod))
    time.sleep(DRAIN_S)
    pod.process.send_signal(signal.SIGTERM)


def deleted(mesh: Mesh, pod: Pod) -> None:
    """Take a pod away as a cluster does: preStop sleeps, the gateway hears of it, then SIGTERM."""
    time.sleep(FORGOTTEN_S)
    mesh.route_to(*(each for each in mesh.members if each is not pod))
    time.sleep(PRE_STOP_S - FORGOTTEN_S)
    pod.process.send_signal(signal.SIGTERM)


def told(_mesh: Mesh, pod: Pod) -> None:
    """Send SIGTERM alone; Envoy's health checks have to notice."""
    pod.process.send_signal(signal.SIGTERM)


def killed(_mesh: Mesh, pod: Pod) -> None:
    """Kill it."""
    pod.kill()


ENDS = {"scale-down": scaled_down, "preStop 5 s": deleted, "SIGTERM alone": told, "kill -9": killed}


def plagued(mesh: Mesh, kinds: Sequence[str]) -> None:
    """Print what good clients see of a pod while strangers are at it, and how long it then takes to end."""
    for kind in kinds:
        pod, through, beside = mesh.start(FEW), Seen(), Seen()
        mesh.route_to(pod)
        with strangers(kind, pod.port):
            good = [Client(pod.port), Client(pod.port, kept=False)]
            with asked([Client(mesh.options.port)], through), asked(good, beside):
                time.sleep(UNDER_STRANGERS_S)
            pod.process.send_signal(signal.SIGTERM)
            took = pod.ended()
        show(kind, through, beside, took)


@contextmanager
def asked(clients: Sequence[Client], seen: Seen) -> Iterator[None]:
    """Let clients ask until the block ends, and count in what they saw."""
    try:
        yield
    finally:
        for each in clients:
            seen.add(each.stop())


def show(kind: str, through: Seen, beside: Seen, took: float) -> None:
    """Print a row."""
    print(f"{kind:35} Envoy {_told(through)} | port {_told(beside)} | ended after {took:4.1f} s", flush=True)


def _told(seen: Seen) -> str:
    lost = ", ".join(f"{count} {kind}" for kind, count in seen.lost.items())
    wrong = f", {seen.wrong} WRONG" if seen.wrong else ""
    asked = seen.right + seen.wrong + seen.lost.total()
    return f"{seen.lost.total():4} lost of {asked:5}{wrong}, {seen.slowest:4.2f} s ({lost})"


if __name__ == "__main__":
    main()

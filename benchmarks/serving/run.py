"""Measures the pod against its peers, on the same machine in the same run.

    python -m benchmarks.serving.run [--rounds 5] [--only NAME ...] [--json FILE]

Prints a line for each server, then the ratios that `docs/performance.md` speaks of, that of a cached answer
to a constant one among them (all servers but those two have ended by then).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from benchmarks import cache
from benchmarks.serving import clients
from benchmarks.serving.contestants import (
    ENVIRONMENTS,
    FILL_MASK,
    HERE,
    PEERS,
    Contestant,
    Material,
    contestants,
)
from benchmarks.serving.environments import python_of
from benchmarks.serving.material import CACHE, sentences, write_model
from benchmarks.serving.processes import first_answer, pss, running
from benchmarks.serving.ratios import ratios
from bertmesh.local.ports import free_port

TEXTS = 4096
MANY = 32
STARTS = 3
COMPARED = ("ours int8", "pipeline")
"""Servers whose start (the median of so many) and memory are taken while no other runs."""


@dataclass(frozen=True)
class Result:
    """What was measured of one server."""

    name: str
    start_s: float
    """From the start of its process to its first answer."""
    pss_mib: int
    alone: clients.Load
    together: clients.Load


@dataclass(frozen=True)
class Alone:
    """What was measured of a server while no other ran."""

    start_s: float
    pss_mib: int


@dataclass(frozen=True)
class Server:
    """A server that runs and has answered once."""

    contestant: Contestant
    process: psutil.Process
    port: int
    start_s: float
    requests: Sequence[bytes]

    def ask(self, number: int, seconds: float) -> clients.Load:
        """Ask it by so many clients for a while."""
        return clients.run(self.port, self.requests, number, seconds)


def main() -> None:
    """Measure, print, and write down."""
    arguments = _arguments()
    everyone = contestants(_material(arguments.threads))
    results, absent = measure([everyone[name] for name in arguments.only or everyone], arguments)
    verdicts = list(ratios(results))
    if not arguments.only:
        verdicts += cache.verdicts(cache.loads())
    for line in (*map(_line, results.values()), *absent, "", *map(str, verdicts)):
        print(line)
    if arguments.json:
        found = {
            "servers": {name: asdict(result) for name, result in results.items()},
            "absent": absent,
            "ratios": [verdict.as_dict() for verdict in verdicts],
        }
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measure(
    chosen: Sequence[Contestant], arguments: argparse.Namespace
) -> tuple[dict[str, Result], list[str]]:
    """Start all servers, then ask them in turns, so that what else the machine does hits all alike.

    Returns the results, and a line for each server that could not be measured.
    """
    absent: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = []
        alone = {
            each.name: _alone(each, folder, arguments.seconds) for each in chosen if each.name in COMPARED
        }
        for contestant in chosen:
            try:
                _require_installed(contestant)
                servers.append(_started(contestant, stack, folder))
            except (RuntimeError, OSError) as error:
                absent.append(f"{contestant.name:22} not measured: {_last_line(error)}")
        for server in servers:
            server.ask(MANY, arguments.seconds / 2)  # shapes met for the first time cost more
        rounds = [
            [
                (server.ask(1, arguments.seconds / 2), server.ask(MANY, arguments.seconds))
                for server in servers
            ]
            for _ in range(arguments.rounds)
        ]
        found = {
            server.contestant.name: Result(
                name=server.contestant.name,
                start_s=server.start_s,
                pss_mib=pss(server.process),
                alone=clients.median([turn[place][0] for turn in rounds]),
                together=clients.median([turn[place][1] for turn in rounds]),
            )
            for place, server in enumerate(servers)
        }
    return found | {name: replace(found[name], **asdict(seen)) for name, seen in alone.items()}, absent


def _alone(contestant: Contestant, folder: Path, seconds: float) -> Alone:
    """Start a server several times while no other runs, whose pages it could share; load the last."""
    starts, taken = [], 0
    bodies, log = _bodies(contestant), folder / "alone.log"
    for number in range(STARTS):
        port = free_port()
        with running(*contestant.at(port), log) as process:
            starts.append(first_answer(process, port, contestant.path, bodies[0], log))
            if number == STARTS - 1:
                requests = [clients.request(contestant.path, body) for body in bodies]
                clients.run(port, requests, MANY, seconds)
                taken = pss(process)
    return Alone(statistics.median(starts), taken)


def _started(contestant: Contestant, stack: ExitStack, folder: Path) -> Server:
    bodies = _bodies(contestant)
    port, log = free_port(), folder / f"{contestant.name}.log"
    process = stack.enter_context(running(*contestant.at(port), log))
    start_s = first_answer(process, port, contestant.path, bodies[0], log)
    requests = [clients.request(contestant.path, body) for body in bodies]
    return Server(contestant, process, port, start_s, requests)


def _require_installed(contestant: Contestant) -> None:
    if contestant.missing:
        message = f"its environment ({contestant.missing}) could not be installed"
        raise RuntimeError(message)


def _last_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[-1][:160]


def _bodies(contestant: Contestant) -> list[bytes]:
    texts = sentences(TEXTS)
    if contestant.task == FILL_MASK:
        texts = [f"{text[: len(text) // 2]}[MASK]{text[len(text) // 2 + 1 :]}" for text in texts]
    return [contestant.body(text) for text in texts]


def _material(threads: int) -> Material:
    """Make what the servers need, unless it is there: minutes the first time."""
    model, conversions, onnx = write_model(CACHE / "store"), CACHE / "pod", CACHE / "base.int8.onnx"
    peers = {
        name: python_of(name, CACHE, HERE / "peers" / f"requirements-{name}.txt") for name in ENVIRONMENTS
    }
    if not onnx.exists() and peers[PEERS]:
        subprocess.run([peers[PEERS], HERE / "peers" / "export_onnx.py", model, onnx], check=True)
    convert = [sys.executable, "-m", "bertmesh", "models", "convert", model]  # what is there is kept
    subprocess.run(
        [*convert, *(word for name in ("int8", "bf16") for word in ("--recipe", name))],
        env={**os.environ, "BERTMESH_CACHE_DIR": str(conversions)},
        check=True,
    )
    return Material(model, onnx, conversions, peers, threads)


def _line(result: Result) -> str:
    one, many = result.alone, result.together
    return (
        f"{result.name:22} 32 clients {many.rate:6.1f}/s p50 {many.p50:7.1f} p99 {many.p99:7.1f} ms"
        f" | 1 client {one.rate:6.1f}/s p50 {one.p50:6.1f} p99 {one.p99:6.1f} ms"
        f" | {result.pss_mib:5} MiB | start {result.start_s:5.2f} s | {many.failed + one.failed} failed"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3, help="of a turn with 32 clients; half with one")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5, help="turns each server gets")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="these servers alone")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()

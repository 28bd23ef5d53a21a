"""One run: an operator process over so many rollouts, idle first and then under way."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import urllib3

from benchmarks.controller.exporter import serve
from benchmarks.controller.world import World, child, world
from bertmesh.local.ports import free_ports
from tests.support.processes import prometheus_server

SCRAPE_S: Final = 5
TICK_S: Final = 5.0
LIMIT_S: Final = 240.0
PASSES: Final = "bertmesh_rollout_reconcile_duration_seconds"
QUERIES: Final = 'prometheus_http_requests_total{code="200",handler="/api/v1/query"}'


@dataclass(frozen=True)
class Look:
    """What has been used and done so far; ``within`` counts passes that took at most so many seconds."""

    at: float
    cpu_s: float
    passes: float
    within: dict[float, float]
    queries: float
    reads: int
    writes: int


@dataclass(frozen=True)
class Row:
    """What a number of rollouts costs for a while, in ``seconds``."""

    rollouts: int
    state: str
    seconds: float
    cpu_s: float
    passes: float
    p99_s: float
    queries: float
    reads: int
    writes: int
    rss_mib: float


@dataclass
class Bench:
    """A running operator and everything around it."""

    rollouts: int
    world: World
    process: psutil.Process
    metrics: str
    prometheus: str

    def until(self, fact: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + LIMIT_S
        while not fact():
            if time.monotonic() > end or not self.process.is_running():
                message = f"{self.rollouts} rollouts: after {LIMIT_S:g} s still not {what}"
                raise TimeoutError(message)
            time.sleep(1.0)

    def measured(self, state: str, seconds: float) -> Row:
        """Return what ``seconds`` of the present state cost."""
        before = self._look()
        time.sleep(seconds)
        after = self._look()
        within = {le: count - before.within[le] for le, count in after.within.items()}
        return Row(
            self.rollouts,
            state,
            after.at - before.at,
            after.cpu_s - before.cpu_s,
            after.passes - before.passes,
            _quantile(within, 0.99),
            after.queries - before.queries,
            after.reads - before.reads,
            after.writes - before.writes,
            self.process.memory_info().rss / 2**20,
        )

    def _look(self) -> Look:
        own, asked = _values(self.metrics), _values(self.prometheus)
        times, requests = self.process.cpu_times(), self.world.order("requests")
        prefix = f'{PASSES}_bucket{{le="'
        within = {
            float(name.removeprefix(prefix).removesuffix('"}')): value
            for name, value in own.items()
            if name.startswith(prefix)
        }
        return Look(
            time.monotonic(), times.user + times.system, own[f"{PASSES}_count"], within,
            asked.get(QUERIES, 0.0), requests["reads"], requests["writes"],
        )  # fmt: skip


@contextmanager
def bench(rollouts: int) -> Iterator[Bench]:
    """Run an operator over so many rollouts that want nothing."""
    with (
        tempfile.TemporaryDirectory() as folder,
        child(serve, rollouts) as exporter,
        _prometheus(Path(folder), exporter.recv()) as prometheus,
        world(rollouts) as around,
        _operator(around, prometheus) as (process, metrics),
    ):
        yield Bench(rollouts, around, process, metrics, prometheus)


@contextmanager
def _prometheus(folder: Path, port: int) -> Iterator[str]:
    scrape = {
        "job_name": "mesh",
        "scrape_interval": f"{SCRAPE_S}s",
        "honor_labels": True,
        "static_configs": [{"targets": [f"127.0.0.1:{port}"]}],
    }
    with prometheus_server(folder / "prometheus", {"scrape_configs": [scrape]}) as server:
        yield server.url


@contextmanager
def _operator(around: World, prometheus: str) -> Iterator[tuple[psutil.Process, str]]:
    port = free_ports(1)[0]
    words = ["operator", "-n", "default", "--prometheus", prometheus, "--metrics-port", str(port)]
    command = [sys.executable, "-m", "bertmesh", *words, "--kubeconfig", str(around.kubeconfig)]
    with (around.kubeconfig.parent / "operator.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield psutil.Process(process.pid), f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _values(url: str) -> dict[str, float]:
    """Return the samples of a metrics page by their names with labels."""
    text = urllib3.request("GET", f"{url}/metrics", timeout=30).data.decode()
    rows = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in rows}


def _quantile(within: dict[float, float], share: float) -> float:
    """Return the edge below which this share of the passes lay."""
    whole = max(within.values())
    return min((le for le, count in within.items() if count >= share * whole), default=float("nan"))

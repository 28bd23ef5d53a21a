"""``python -m benchmarks.soak [--seconds 600]``: exits with 1 when something grows or answers wrongly.

A pod of zh-small, converted, with a cache, under all loads of `benchmarks.soak.loads`; a model is put in
service now and then, and Redis is killed, stopped and started again.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Self

import numpy as np
import psutil
import urllib3

from benchmarks.hot_swap import CACHE, VERSIONS, converted, store
from benchmarks.pods import POD, ZH_SMALL, end_on_sigterm, gunicorn
from benchmarks.serving.processes import running
from benchmarks.soak.loads import Loads, Seen
from benchmarks.soak.watch import Growth, Sample, Watch, growths
from bertmesh.local.ports import free_port
from mesh.local.binaries import find_redis
from mesh.local.settings import Settings

NAME, RECIPE = "zh-small", "bf16"
WARM_UP_S = 150.0
"""Until then caches of shapes fill, and threads start; in a short run, half of it."""
SWAP_EVERY_S, REDIS_EVERY_S = 10.0, 20.0
OK = 200


def main() -> None:
    """Run, print, and exit."""
    end_on_sigterm()
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    arguments.add_argument("--seconds", type=float, default=600.0, help="how long (600)")
    seconds: float = arguments.parse_args().seconds
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        seen, samples, log = soak(folder, seconds)
        grown = growths(samples, min(WARM_UP_S, seconds / 2))
        report(seen, grown, log)
    if not all(each.flat for each in grown) or not all(each.expected for each in seen) or log:
        sys.exit(1)


def soak(folder: Path, seconds: float) -> tuple[Sequence[Seen], Sequence[Sample], Sequence[str]]:
    """Return what clients saw, what the pod held, and the errors in its log."""
    admin, redis_port = free_port(), free_port()
    env = store(folder, NAME, ZH_SMALL, converted(ZH_SMALL, CACHE / "pod", RECIPE), RECIPE) | {
        "BERTMESH_ADMIN_BIND": f"127.0.0.1:{admin}",
        "BERTMESH_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "BERTMESH_CACHE_TTL_S": "30",
        "BERTMESH_CACHE_LOCAL_BYTES": str(1 << 20),  # soon full, as it is after days in service
    }
    log = folder / "pod.log"
    with (
        ShakyRedis(folder, redis_port) as redis,
        gunicorn(POD, env, log) as port,
        Watch(_listener(port)) as watch,
    ):
        loads = Loads(port)
        loads.http()
        loads.start("hot swaps", _swapper(admin), SWAP_EVERY_S)
        loads.start("Redis", redis.upset, REDIS_EVERY_S)
        time.sleep(seconds)
        loads.stop()
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return (
        loads.seen,
        watch.samples,
        [line for line in lines if '"level":"error"' in line or "Traceback" in line],
    )


def _listener(port: int) -> psutil.Process:
    """Return gunicorn's master: the child of this process that listens on the port."""
    for child in psutil.Process().children():
        if any(each.laddr and each.laddr.port == port for each in child.net_connections()):
            return child
    sys.exit(f"nobody listens on {port}")


def _swapper(port: int) -> Callable[[random.Random], tuple[object, bool]]:
    def swap(chance: random.Random) -> tuple[object, bool]:
        version = chance.choice(VERSIONS)
        url = f"http://127.0.0.1:{port}/v2/repository/models/{NAME}/load"
        answer = urllib3.request(
            "POST", url, json={"parameters": {"version": version}}, timeout=60, retries=False
        )
        return answer.status, answer.status == OK

    return swap


class ShakyRedis:
    """A Redis that is stopped or killed for a while, and comes back."""

    def __init__(self, folder: Path, port: int) -> None:
        binary = str(find_redis(Settings.from_environment(os.environ)))
        self._words = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._log = folder / "redis.log"

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._life.close()

    def upset(self, chance: random.Random) -> tuple[object, bool]:
        """Be away for up to three seconds; say how."""
        away_s = 3 * chance.random()
        if chance.random() < 1 / 2:
            self._process.send_signal(SIGSTOP)
            time.sleep(away_s)
            self._process.send_signal(SIGCONT)
            return "stopped", True
        self._life.close()
        time.sleep(away_s)
        self._start()
        return "killed", True

    def _start(self) -> None:
        self._life = ExitStack()
        self._process = self._life.enter_context(running(self._words, {}, self._log))


def report(seen: Sequence[Seen], grown: Sequence[Growth], log: Sequence[str]) -> None:
    """Print the tables."""
    print(f"{'what':14} {'times':>8} {'p50 ms':>7} {'p99 ms':>7}  results")
    for kind in dict.fromkeys(each.kind for each in seen):
        these = [each for each in seen if each.kind == kind]
        p50, p99 = np.percentile([each.seconds * 1000 for each in these], [50, 99])
        results = Counter(each.result if each.expected else f"UNEXPECTED {each.result}" for each in these)
        told = ", ".join(f"{result}: {count:,}" for result, count in results.most_common())
        print(f"{kind:14} {len(these):8,} {p50:7.1f} {p99:7.1f}  {told}")
    print(f"\n{'after warm-up':14} {'first':>8} {'last':>8} {'a minute':>9} {'may grow':>9}")
    for each in grown:
        verdict = "flat" if each.flat else "GROWS"
        row = f"{each.first:8.1f} {each.last:8.1f} {each.a_minute:+9.2f} {each.limit:9.1f}"
        print(f"{each.name:14} {row}  {verdict}")
    print(f"\n{len(log)} errors in the pod's log", *log[:5], sep="\n")


if __name__ == "__main__":
    main()

"""The answer cache, measured: hit ratio, cached answers against a constant, and what an outage costs.

Run it as ``python -m benchmarks.cache``. Texts are drawn by Zipf's law (exponent 1) out of 2,000 reviews.
While Redis stands still or has gone, computed answers are compared with those of a pod without a cache.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import urllib3

from benchmarks.bounds import Bound, Verdict
from benchmarks.pods import POD, ZH_SMALL, end_on_sigterm, gunicorn
from benchmarks.serving import clients
from benchmarks.serving.material import sentences
from benchmarks.serving.processes import running
from bertmesh.local.ports import free_port
from mesh.local.binaries import find_redis
from mesh.local.settings import Settings
from observability.names import CACHE_HEADER as CACHE
from service.pod.settings import LOCAL_BYTES, LOCAL_CACHE

TEXTS = 2000
REQUESTS = 2000
CLIENTS = 8
SECONDS = 4.0
ROUNDS = 3
SEED = 7
PATH = "/feature-extraction"
THREADED = ("-k", "service.server.worker.ImpatientWorker", "--threads", "320", "--keep-alive", "75")
SERVER = (*THREADED, "benchmarks.constant:app")
CONSTANT, LOCAL, REDIS = "constant", "local", "Redis"
BOUNDS = {
    LOCAL: Bound(
        "cached answer (pod), 8 clients, requests/s", 0.8, 1.0, more_is_better=True, against=CONSTANT
    ),
    REDIS: Bound(
        "cached answer (Redis), 8 clients, requests/s", 0.5, 0.8, more_is_better=True, against=CONSTANT
    ),
}
BODY = {"text": "今天天气很好。"}


def main() -> None:
    """Measure and print."""
    end_on_sigterm()
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (pod, redis):
        print(f"hit ratio, Zipf over {TEXTS:,} texts, {REQUESTS:,} requests: {zipf(pod):.1%}", flush=True)
        measured = compared(pod, Path(name))
        for title, each in measured.items():
            show(title, each)
        print(*verdicts(measured), sep="\n", flush=True)
        with gunicorn(POD, {"BERTMESH_MODEL": str(ZH_SMALL)}, Path(name) / "bare.log") as bare:
            outages(pod, bare, redis)


def loads() -> dict[str, clients.Load]:
    """Start what is needed and ask for cached answers and for a constant one; return the loads."""
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (pod, _):
        return compared(pod, Path(name))


def verdicts(measured: dict[str, clients.Load]) -> list[Verdict]:
    """Return the ratios of cached answers to constant ones."""
    return [Verdict(bound, measured[name].rate / measured[CONSTANT].rate) for name, bound in BOUNDS.items()]


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, psutil.Process]]:
    """Run a pod that keeps answers in a Redis alone; yield the pod's port, and Redis."""
    port = free_port()
    redis = str(find_redis(Settings.from_environment(os.environ)))
    words = [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    env = {"BERTMESH_MODEL": str(ZH_SMALL), "BERTMESH_REDIS_URL": f"redis://127.0.0.1:{port}/0"}
    with running(words, {}, folder / "redis.log") as server, gunicorn(POD, env, folder / "pod.log") as pod:
        yield pod, server


def outages(pod: int, bare: int, server: psutil.Process) -> None:
    """Print what computed answers cost without a cache, with a Redis that stands still, and with none."""
    show("no cache", load(bare))
    server.suspend()
    show("stopped", load(pod))
    server.resume()
    started = time.monotonic()
    while urllib3.request("POST", f"http://127.0.0.1:{pod}{PATH}", json=BODY).headers[CACHE] != "hit":
        time.sleep(0.01)
    print(f"healed {time.monotonic() - started:.2f} s after Redis went on", flush=True)
    server.kill()
    show("killed", load(pod))


def zipf(pod: int) -> float:
    """Send the mix; return the share of texts that were found in the cache."""
    texts = sentences(TEXTS)
    weights = 1 / np.arange(1, TEXTS + 1)
    drawn = np.random.default_rng(SEED).choice(TEXTS, REQUESTS, p=weights / weights.sum())
    http = urllib3.PoolManager(retries=False)
    for index in drawn:
        answer = http.request("POST", f"http://127.0.0.1:{pod}{PATH}", json={"text": texts[index]})
        if answer.status != clients.OK:
            sys.exit(f"the pod answered {answer.status}: {answer.data.decode()}")
    counts = lookups(http, pod)
    return counts["hit"] / (counts["hit"] + counts["miss"])


def lookups(http: urllib3.PoolManager, pod: int) -> dict[str, float]:
    """Return the pod's own counts, by result."""
    metrics = http.request("GET", f"http://127.0.0.1:{pod}/metrics").data.decode()
    found = re.findall(r'^bertmesh_cache_lookups_total\{result="(\w+)"\} (\S+)$', metrics, re.MULTILINE)
    return {name: float(value) for name, value in found}


def compared(pod: int, folder: Path) -> dict[str, clients.Load]:
    """Ask this pod, one with its own cache, and a server of the same answer, in turns; return the medians."""
    (folder / "body").write_bytes(urllib3.request("POST", f"http://127.0.0.1:{pod}{PATH}", json=BODY).data)
    env = {"BERTMESH_MODEL": str(ZH_SMALL), LOCAL_CACHE: str(LOCAL_BYTES)}
    with (
        gunicorn(SERVER, {"BODY": str(folder / "body")}, folder / "constant.log") as constant,
        gunicorn(POD, env, folder / "local.log") as local,
    ):
        rounds = [(load(constant), load(local), load(pod)) for _ in range(ROUNDS)]
    sides = zip((CONSTANT, LOCAL, REDIS), zip(*rounds, strict=True), strict=True)
    return {name: clients.median(each) for name, each in sides}


def load(port: int) -> clients.Load:
    """Ask the same again and again."""
    request = clients.request(PATH, json.dumps(BODY).encode())
    return clients.run(port, [request] * CLIENTS, CLIENTS, SECONDS)


def show(name: str, load: clients.Load) -> None:
    """Print a row."""
    print(
        f"{name:9} {load.rate:6.0f} req/s, p50 {load.p50} ms, p99 {load.p99} ms, {load.failed} failed",
        flush=True,
    )


if __name__ == "__main__":
    main()

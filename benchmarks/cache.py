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
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil
import urllib3

from benchmarks.pods import POD, ZH_SMALL, end_on_sigterm, gunicorn
from benchmarks.serving import clients
from benchmarks.serving.material import sentences
from benchmarks.serving.processes import running
from bertmesh.ports import free_port
from mesh.binaries import find_redis
from mesh.settings import Settings
from observability.names import CACHE_HEADER as CACHE

TEXTS = 2000
REQUESTS = 2000
CLIENTS = 8
SECONDS = 4.0
ROUNDS = 3
SEED = 7
PATH = "/feature-extraction"
THREADED = ("-k", "service.worker.ImpatientWorker", "--threads", "320", "--keep-alive", "75")
CONSTANT = (*THREADED, "benchmarks.constant:app")
BODY = {"text": "今天天气很好。"}


def main() -> None:
    """Measure and print."""
    end_on_sigterm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        redis = str(find_redis(Settings.from_environment(os.environ)))
        words = [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", name]
        env = {"BERTMESH_MODEL": str(ZH_SMALL), "BERTMESH_REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        with ExitStack() as stack:
            server = stack.enter_context(running(words, {}, folder / "redis.log"))
            pod = stack.enter_context(gunicorn(POD, env, folder / "pod.log"))
            print(f"hit ratio, Zipf over {TEXTS:,} texts, {REQUESTS:,} requests: {zipf(pod):.1%}", flush=True)
            body = urllib3.request("POST", f"http://127.0.0.1:{pod}{PATH}", json=BODY).data
            (folder / "body").write_bytes(body)
            with gunicorn(CONSTANT, {"BODY": str(folder / "body")}, folder / "constant.log") as constant:
                compare(pod, constant)
            del env["BERTMESH_REDIS_URL"]
            outages(pod, stack.enter_context(gunicorn(POD, env, folder / "bare.log")), server)


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


def compare(pod: int, constant: int) -> None:
    """Print the requests a second of both, in turns, and the ratio of the medians."""
    loads: dict[str, list[clients.Load]] = {"constant": [], "cached": []}
    for _ in range(ROUNDS):
        loads["constant"].append(load(constant))
        loads["cached"].append(load(pod))
    middle = {name: clients.median(each) for name, each in loads.items()}
    for name, each in middle.items():
        show(name, each)
    print(f"cached / constant: {middle['cached'].rate / middle['constant'].rate:.2f}", flush=True)


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

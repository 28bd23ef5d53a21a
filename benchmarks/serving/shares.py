"""What the time of a request is spent on while 32 clients ask a pod: CPU by thread, and waiting."""

import re
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

from benchmarks.serving import clients

MANY = 32
_ENGINE_THREADS_OF = 0.2
"""A thread that takes this share of the busiest one's time belongs to the engine."""


def shares(process: psutil.Process, port: int, requests: Sequence[bytes], seconds: float) -> dict[str, float]:
    """Load a pod for a while; return parts of its CPU time, and milliseconds of a request."""
    family = [process, *process.children(recursive=True)]
    clients.run(port, requests, MANY, seconds / 2)
    before, told, own, start = _threads(family), _told(port), time.process_time(), time.perf_counter()
    load = clients.run(port, requests, MANY, seconds)
    took, own = time.perf_counter() - start, time.process_time() - own
    after, tells = _threads(family), _told(port)
    used = [after[thread] - before.get(thread, 0.0) for thread in after]
    engine = sum(each for each in used if each > _ENGINE_THREADS_OF * max(used))
    cores = took * (psutil.cpu_count() or 1)
    batches = tells["count"] - told["count"]
    computing = (tells["sum"] - told["sum"]) / batches * 1000
    return {
        "engine, % of CPU": 100 * engine / cores,
        "HTTP, JSON, validation, tokenizer, telemetry, % of CPU": 100 * (sum(used) - engine) / cores,
        "clients, % of CPU": 100 * own / cores,
        "requests/s": load.rate,
        "p50 ms": load.p50,
        "of these in the engine, ms": computing,
        "of these in the queue and on the way, ms": load.p50 - computing,
    }


def _threads(family: Sequence[psutil.Process]) -> Mapping[tuple[int, int], float]:
    """Return the CPU seconds of each thread."""
    found: dict[tuple[int, int], float] = {}
    for process in family:
        with suppress(psutil.NoSuchProcess):
            found |= {
                (process.pid, thread.id): thread.user_time + thread.system_time
                for thread in process.threads()
            }
    return found


def _told(port: int) -> Mapping[str, float]:
    """Return how many batches the pod has computed, and in how many seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    found = re.findall(r"^bertmesh_inference_seconds_(sum|count)(?:{[^}]*})? (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}

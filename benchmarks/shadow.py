"""What shadow agreement costs a pod: answers with and without it, in turns, on both sides.

Run it as ``python -m benchmarks.shadow``. The stable's pod leaves a note of each answer, the canary's pod
compares each of its answers with a note (both versions are one model here). One side is measured at a time.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from statistics import median

import numpy as np
import urllib3

from benchmarks.pods import POD, ZH_SMALL, end_on_sigterm, gunicorn
from benchmarks.serving import clients
from benchmarks.serving.material import sentences
from benchmarks.serving.processes import running
from bertmesh.local.ports import free_port
from mesh.local.binaries import find_redis
from mesh.local.settings import Settings
from observability.names import REQUEST_ID_HEADER, ROUTE_HEADER, SHADOW_HEADER
from service.shadow.mirrored import MirroredRequest
from service.shadow.redis import RedisAnswerStore
from service.tasks.base import Answer, Query
from service.tasks.features import Features, Vector
from service.tasks.fill_mask import FillMask
from service.tasks.filled import Candidate, Filled

CLIENTS = 8
EACH = 1500
"""Requests that a client has at hand: more than it can send."""
SECONDS = 2.0
ROUNDS = 3
AFTERWARDS_S = 0.3
TEXTS = 500
FRESH, AGAIN = "computed", "cached"
IDS = count()
Headers = Mapping[str, str]


def main() -> None:
    """Measure and print."""
    end_on_sigterm()
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        redis = str(find_redis(Settings.from_environment(os.environ)))
        words = [redis, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", name]
        env = {"BERTMESH_MODEL": str(ZH_SMALL), "BERTMESH_REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        with running(words, {}, folder / "redis.log"):
            for side, version in (("stable", "1.0"), ("canary", "1.1")):
                with gunicorn(POD, {**env, "BERTMESH_VERSION": version}, folder / f"{side}.log") as pod:
                    for path in ("/fill-mask", "/feature-extraction"):
                        # A canary's copies never come from the cache.
                        for kind in (FRESH, AGAIN) if side == "stable" else (FRESH,):
                            compare(side, pod, Material(path, kind, env["BERTMESH_REDIS_URL"]))
                    print(counters(pod) or "nothing was compared here", flush=True)


@dataclass(frozen=True)
class Material:
    """What is asked: which endpoint, answers that are computed or cached, and where notes lie."""

    path: str
    kind: str
    redis: str

    def requests(self, headers: Headers, *, noted: bool) -> list[bytes]:
        """Return requests, each with an id of its own, and with the stable's note laid out for it."""
        rows = list(islice(self._rows(), CLIENTS * EACH))
        if noted:
            self._lay_out(rows)
        return [_request(self.path, text, {**headers, REQUEST_ID_HEADER: name}) for name, text in rows]

    def _rows(self) -> Iterator[tuple[str, str]]:
        texts = sentences(TEXTS)
        for number in IDS:
            fresh = f"{number}" if self.kind == FRESH else ""
            yield f"{time.time_ns()}-{number}", f"{texts[number % TEXTS][:40]}[MASK]{fresh}。"

    def _lay_out(self, rows: Sequence[tuple[str, str]]) -> None:
        board = RedisAnswerStore(self.redis, 5.0)
        task = FillMask() if self.path == "/fill-mask" else Features()
        scores = zip("好的很大美", (0.5, 0.2, 0.1, 0.1, 0.1), strict=True)
        content: Answer = (
            Filled((tuple(Candidate(token, score, "", 0) for token, score in scores),), ())
            if self.path == "/fill-mask"
            else Vector(np.ones(256, dtype=np.float32))
        )
        keys = [
            MirroredRequest(name, "1.1", mirrored=True, trace_id="", task=task, queries=[Query(text)]).key
            for name, text in rows
        ]
        board.post(dict.fromkeys(keys, b"1.0\n" + content.pack()), 60.0)
        board.close()


def _request(path: str, text: str, headers: Headers) -> bytes:
    body = json.dumps({"text": text}, ensure_ascii=False).encode()
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    head, _, rest = clients.request(path, body).partition(b"\r\n")
    return head + b"\r\n" + extra + rest


def compare(side: str, pod: int, material: Material) -> None:
    """Print the pod's CPU time a request with and without: rates would also tell of everybody else's work."""
    plain = {ROUTE_HEADER: "1.0"}
    kinds = [("without", plain), ("with", {**plain, SHADOW_HEADER: "1.1"})]
    spent: dict[str, list[float]] = {"without": [], "with": []}
    for number in range(ROUNDS):
        for name, headers in kinds[:: 1 - 2 * (number % 2)]:
            asked = material.requests(headers, noted=side == "canary" and name == "with")
            spent[name].append(cpu_of(pod, asked))
    without, told = (median(spent[name]) for name in ("without", "with"))
    print(
        f"{side:6} {material.path[1:]:18} {material.kind:8}: CPU a request {without * 1e6:5.0f} us without, "
        f"{told * 1e6:5.0f} us with, ratio {told / without:.2f}",
        flush=True,
    )


def cpu_of(pod: int, asked: Sequence[bytes]) -> float:
    """Return the seconds of CPU that the pod spends on a request, what it does afterwards included."""
    before, answered = measured(pod)
    load = clients.run(pod, asked, CLIENTS, SECONDS)
    if load.failed:
        sys.exit(f"the pod did not answer everything: {load}")
    time.sleep(AFTERWARDS_S)
    after, answered_since = measured(pod)
    return (after - before) / (answered_since - answered)


def measured(pod: int) -> tuple[float, float]:
    """Return the pod's CPU time (seconds) and how many requests it has answered."""
    text = urllib3.request("GET", f"http://127.0.0.1:{pod}/metrics").data.decode()
    rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    cpu = sum(float(value) for name, _, value in rows if name == "process_cpu_seconds_total")
    return cpu, sum(float(value) for name, _, value in rows if name.startswith("bertmesh_requests_total"))


def counters(pod: int) -> str:
    """Return what the pod counted of comparisons."""
    text = urllib3.request("GET", f"http://127.0.0.1:{pod}/metrics").data.decode()
    return "\n".join(f"  {line}" for line in text.splitlines() if line.startswith("bertmesh_shadow"))


if __name__ == "__main__":
    main()

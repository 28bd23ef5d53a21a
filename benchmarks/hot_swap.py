"""Hot swap, measured under load: how soon the new model answers, the way back, p99, failed requests.

Run it as ``python -m benchmarks.hot_swap``: for zh-small, and for a random model in the shape of bert-base.
"""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Self

import numpy as np
import urllib3

from benchmarks.pods import POD, ZH_SMALL, end_on_sigterm, gunicorn, write_versions
from benchmarks.serving.material import sentences, write_model

CLIENTS = 2
NORMAL_S = 5.0
SETTLE_S = 1.0
OK = 200


@dataclass(frozen=True)
class Answered:
    """When a request was sent and answered (monotonic seconds), its status, and by which version."""

    sent: float
    at: float
    status: int
    version: str


class Traffic:
    """Clients that ask all the time, and remember every answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._texts = sentences(200)
        self._over = Event()
        self.answers: list[Answered] = []
        self._threads = [Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        http = urllib3.PoolManager(retries=False, timeout=30)
        turn = number
        while not self._over.is_set():
            sent = time.monotonic()
            text = self._texts[turn % len(self._texts)]
            answer = http.request("POST", f"{self._url}/feature-extraction", json={"text": text})
            version = answer.headers.get("x-model-version", "")
            self.answers.append(Answered(sent, time.monotonic(), answer.status, version))
            turn += CLIENTS


def switch(url: str, name: str, version: str) -> tuple[float, float]:
    """Put a version in service; return when that was asked for, and when it was done."""
    started = time.monotonic()
    body = {"parameters": {"version": version}}
    answer = urllib3.request("POST", f"{url}/v2/repository/models/{name}/load", json=body, timeout=120)
    if answer.status != OK:
        raise SystemExit(answer.data.decode())
    return started, time.monotonic()


def first(answers: Sequence[Answered], version: str, since: float) -> float:
    """Return the milliseconds from ``since`` to the first answer by ``version``."""
    return min(each.at - since for each in answers if each.at > since and each.version == version) * 1000


def p99(answers: Sequence[Answered], start: float, end: float) -> float:
    """Return the 99th percentile, in milliseconds, of requests that were under way in this time."""
    taken = [each.at - each.sent for each in answers if each.at > start and each.sent < end]
    return float(np.percentile(taken, 99)) * 1000


def measure(name: str, source: Path) -> None:
    """Swap a model for a copy of itself and back, under load, and print what that took."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_versions(root / "models", name, source, ("1.0", "1.1"))
        env = {
            "BERTMESH_MODEL": f"{name}:1.0",
            "BERTMESH_MODELS_DIR": str(root / "models"),
            "BERTMESH_CACHE_DIR": str(root / "cache"),
            "BERTMESH_ADMIN": "1",
        }
        with gunicorn(POD, env, root / "pod.log") as port, Traffic(f"http://127.0.0.1:{port}") as traffic:
            url = f"http://127.0.0.1:{port}"
            time.sleep(NORMAL_S)
            there, done = switch(url, name, "1.1")
            time.sleep(SETTLE_S)
            back, _ = switch(url, name, "1.0")
            time.sleep(SETTLE_S)
        seen = traffic.answers
        normal, during = p99(seen, there - NORMAL_S / 2, there), p99(seen, there, done)
        failed = sum(each.status != OK for each in seen)
        print(
            f"{name:16} first answer by the new model {first(seen, '1.1', there):6.0f} ms,"
            f" way back {first(seen, '1.0', back):4.0f} ms, p99 {normal:.0f} ms normally, {during:.0f} ms"
            f" during the swap ({during / normal:.2f} x), {failed} of {len(seen):,} requests failed",
            flush=True,
        )


def main() -> None:
    """Measure both models."""
    end_on_sigterm()
    measure("zh-small", ZH_SMALL)
    with tempfile.TemporaryDirectory() as folder:
        measure("bert-base-random", write_model(Path(folder) / "model"))


if __name__ == "__main__":
    main()

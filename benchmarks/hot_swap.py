"""Hot swap, measured under load: how soon the new model answers, the way back, p99, failed requests.

Run it as ``python -m benchmarks.hot_swap``: for zh-small, and for a random model in the shape of
bert-base; both are converted, and each swap loads a version that the pod has not had in memory. "First
answer" is the first that a client has in hand, counted from the moment at which the swap is asked for.
Clients ask again at once (*full*: the pod is never idle), or rest as long as they waited (*half*), or there
are none, and the first request comes when the swap is done (*idle*).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Self

import numpy as np
import urllib3

from benchmarks.pods import POD, ZH_SMALL, end_on_sigterm, gunicorn, linked_tree, write_versions
from benchmarks.serving.material import CACHE, sentences, write_model
from bertmesh.local.ports import free_port
from modelstore import resolve
from modelstore.golden import FILE as GOLDEN
from service.engine import Item, Want, select
from service.engine.select import Original, conversions
from service.text.codec import Codec

LOADS = {"idle": (0, 0.0), "half": (2, 1.0), "full": (8, 0.0)}
"""How many clients, and how long each rests after an answer, in times of what it waited."""
ROUNDS = 5
NORMAL_S = 5.0
SETTLE_S = 2.0
WARMING = 20
OK = 200
VERSIONS = ("1.0", *(f"1.{number + 1}" for number in range(ROUNDS)))


@dataclass(frozen=True)
class Answered:
    """When a request was sent and answered (monotonic seconds), its status, and by which version."""

    sent: float
    at: float
    status: int
    version: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.at - self.sent


@dataclass(frozen=True)
class Swap:
    """When a version was asked for, when that was answered, and which it is."""

    asked: float
    done: float
    version: str


class Traffic:
    """Clients that ask all the time, and remember every answer."""

    def __init__(self, port: int, clients: int, rest: float) -> None:
        self._url = f"http://127.0.0.1:{port}/feature-extraction"
        self._clients, self._rest = clients, rest
        self._texts = sentences(200)
        self._over = Event()
        self.answers: list[Answered] = []
        self._threads = [Thread(target=self._ask, args=(number,)) for number in range(clients)]

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
            answered = self.ask(http, turn)
            self._over.wait(answered.seconds * self._rest)
            turn += self._clients

    def ask(self, http: urllib3.PoolManager, turn: int) -> Answered:
        """Ask once."""
        sent = time.monotonic()
        try:
            answer = http.request("POST", self._url, json={"text": self._texts[turn % len(self._texts)]})
            status, version = answer.status, answer.headers.get("x-model-version", "")
        except urllib3.exceptions.HTTPError:
            status, version = 0, ""
        answered = Answered(sent, time.monotonic(), status, version)
        self.answers.append(answered)
        return answered


class Admin:
    """Asks for swaps."""

    def __init__(self, port: int, name: str) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._name = name

    def load(self, version: str) -> Swap:
        """Put a version in service."""
        body = {"parameters": {"version": version}}
        return self._ask(f"/v2/repository/models/{self._name}/load", version, body)

    def rollback(self, version: str) -> Swap:
        """Go back to the former one, which is this one."""
        return self._ask("/rollback", version)

    def _ask(self, path: str, version: str, body: object = None) -> Swap:
        asked = time.monotonic()
        answer = urllib3.request("POST", f"{self._url}{path}", json=body, timeout=120)
        if answer.status != OK:
            raise SystemExit(answer.data.decode())
        return Swap(asked, time.monotonic(), version)


def measure(name: str, source: Path, recipe: str, load: str) -> None:
    """Swap a converted model for copies of itself, and back, under load; print what that took."""
    cache = converted(source, CACHE / "pod", recipe)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        env = store(Path(folder), name, source, cache, recipe)
        admin_port = free_port()
        env |= {"BERTMESH_ADMIN_BIND": f"127.0.0.1:{admin_port}", "BERTMESH_ENGINE": recipe}
        with gunicorn(POD, env, Path(folder) / "pod.log") as port, Traffic(port, *LOADS[load]) as traffic:
            admin, http = Admin(admin_port, name), urllib3.PoolManager(retries=False, timeout=30)
            for turn in range(WARMING):
                traffic.ask(http, turn)
            time.sleep(NORMAL_S)
            began = time.monotonic()
            swaps, returns = [], []
            for turn, version in enumerate(VERSIONS[1:]):
                swaps.append(admin.load(version))
                traffic.ask(http, turn)
                time.sleep(SETTLE_S)
                returns.append(admin.rollback("1.0"))
                traffic.ask(http, turn)
                time.sleep(SETTLE_S)
    report(f"{name}, {recipe}, {load}", traffic.answers, began, swaps, returns)


def report(
    title: str, seen: Sequence[Answered], began: float, swaps: Sequence[Swap], returns: Sequence[Swap]
) -> None:
    """Print the medians and the worst."""
    normal = [each.seconds for each in seen if began - NORMAL_S < each.at < began]
    during = [
        each.seconds for each in seen for swap in swaps if each.at > swap.asked and each.sent < swap.done
    ]
    there, back = ([first(seen, swap) for swap in each] for each in (swaps, returns))
    failed = sum(each.status != OK for each in seen)
    tail = ""
    if normal:
        p99, p99_during = (float(np.percentile(each, 99)) * 1000 for each in (normal, during))
        tail = f" p99 {p99:.0f} ms, during {len(swaps)} swaps {p99_during:.0f} ms ({p99_during / p99:.2f} x),"
    print(
        f"{title:20} first answer by the new model {np.median(there):4.0f} ms (worst {max(there):.0f}),"
        f" way back {np.median(back):3.0f} ms (worst {max(back):.0f}),{tail}"
        f" {failed} of {len(seen):,} requests failed",
        flush=True,
    )


def first(answers: Sequence[Answered], swap: Swap) -> float:
    """Return the milliseconds from asking for a swap to the first answer by its version."""
    later = (each for each in answers if each.at > swap.asked and each.version == swap.version)
    return min(each.at - swap.asked for each in later) * 1000


def store(folder: Path, name: str, source: Path, cache: Path, recipe: str) -> dict[str, str]:
    """Make a store of one model under several versions, each converted; return a pod's environment."""
    digest = resolve(str(source), root=folder, cache=cache).digest
    for made in write_versions(folder / "models", name, source, VERSIONS).values():
        linked_tree(conversions(cache, digest), conversions(folder / "cache", made))
    write_golden(folder / "models" / name / GOLDEN, source, cache, recipe)
    return {
        "BERTMESH_MODEL": f"{name}:1.0",
        "BERTMESH_MODELS_DIR": str(folder / "models"),
        "BERTMESH_CACHE_DIR": str(folder / "cache"),
    }


def converted(source: Path, cache: Path, recipe: str) -> Path:
    """Convert a model, unless that was done before; return the cache."""
    words = [sys.executable, "-m", "bertmesh", "models", "convert", str(source), "--recipe", recipe]
    subprocess.run(
        words, env={**os.environ, "BERTMESH_CACHE_DIR": str(cache)}, check=True, stdout=subprocess.DEVNULL
    )
    return cache


def write_golden(target: Path, source: Path, cache: Path, recipe: str) -> None:
    """Put golden sentences beside the versions: the model's own, or such as random weights fill rightly."""
    own = source.parent / GOLDEN
    target.write_bytes(own.read_bytes() if own.exists() else _golden(source, cache, recipe))


def _golden(source: Path, cache: Path, recipe: str) -> bytes:
    version = resolve(str(source), root=source, cache=cache)
    engine = select.load(Original(source), conversions(cache, version.digest), 2, recipe).engine
    codec = Codec.load(source, engine.positions)
    rows = []
    for text in (f"{each[:8]}[MASK]{each[9:20]}" for each in sentences(60)):
        encoded = codec.encode(text)
        (logits,) = engine.run([Item(encoded.ids, Want.LOGITS, (encoded.masks[0].position,))])[0]
        best = [codec.token(int(index)) for index in np.argsort(-logits)[:3]]
        rows.append({"text": text, "answers": [token for token in best if token]})
    return json.dumps({"sentences": rows}, ensure_ascii=False).encode()


def main() -> None:
    """Measure both models."""
    end_on_sigterm()
    CACHE.mkdir(parents=True, exist_ok=True)
    measure("zh-small", ZH_SMALL, "bf16", "full")
    base = write_model(CACHE / "store")
    for recipe in ("int8", "bf16"):
        for load in LOADS:
            measure("bert-base", base, recipe, load)


if __name__ == "__main__":
    main()

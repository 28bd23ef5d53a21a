"""Where the time goes inside a pod, and how engines scale with batch and cores.

    python -m benchmarks.serving.inside [--seconds 1]

Engines take turns, so that what else the machine does hits all alike; medians are printed. Engines for a GPU
are among them where there is one and the model is converted for it.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import orjson

from benchmarks.serving import clients
from benchmarks.serving.contestants import ENVIRONMENTS, Material, contestants
from benchmarks.serving.material import CACHE, sentences, write_model
from benchmarks.serving.processes import first_answer, running
from benchmarks.serving.shares import shares
from bertmesh.local.ports import free_port
from modelstore import read_manifest
from service.engine import Engine, Item, Want, half
from service.engine.packed import PackedEngine
from service.engine.recipes import CUDA
from service.engine.select import conversions, recorded
from service.text.codec import Codec

RECIPES, BATCHES = ("int8", "bf16"), (1, 4, 16, 32)
MICRO = 1e6


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1, help="for each number of the tables")
    seconds = parser.parse_args().seconds
    model = write_model(CACHE / "store")
    converted = conversions(CACHE / "pod", read_manifest(model).digest)
    codec = Codec.load(model, 512)
    texts = sentences(256)
    items = [Item(codec.encode(text).ids, Want.FIRST) for text in texts]
    threads = sorted({1, len(os.sched_getaffinity(0))})
    engines: dict[tuple[str, int], Engine] = {
        (recipe, number): PackedEngine.load(converted / recipe, number)
        for recipe, number in product(RECIPES, threads)
    }
    for recipe, known in recorded(converted).items():
        if known.device == CUDA:
            engines[recipe, threads[-1]] = half.load(converted / recipe, threads[-1])
    _scaling(engines, items, seconds)
    _parts(codec, texts, engines["int8", threads[-1]], items, seconds)
    del engines
    _under_load(seconds)


def _under_load(seconds: float) -> None:
    """Print what a pod with 32 clients does with the CPU."""
    peers = dict.fromkeys(ENVIRONMENTS)
    everyone = contestants(
        Material(CACHE / "store", CACHE, CACHE / "pod", peers, len(os.sched_getaffinity(0)))
    )
    for name in ("ours int8", "ours bf16"):
        pod, port = everyone[name], free_port()
        bodies = [pod.body(text) for text in sentences(2048)]
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "pod.log"
            with running(*pod.at(port), log) as process:
                first_answer(process, port, pod.path, bodies[0], log)
                requests = [clients.request(pod.path, body) for body in bodies]
                print(name)
                for what, value in shares(process, port, requests, 4 * seconds).items():
                    print(f"  {what:56} {value:8.1f}")


def _scaling(engines: Mapping[tuple[str, int], Engine], items: list[Item], seconds: float) -> None:
    print("sentences/s        " + "".join(f"batch {size:<6}" for size in BATCHES))
    for (recipe, threads), engine in engines.items():
        rates = [_rate(engine, items, size, seconds) for size in BATCHES]
        print(
            f"{recipe:9} {threads} core{'s' if threads > 1 else ' '}  "
            + "".join(f"{rate:<12.1f}" for rate in rates)
        )


def _rate(engine: Engine, items: list[Item], size: int, seconds: float) -> float:
    """Return sentences a second, the median over batches of texts as they come."""
    batches = [items[start : start + size] for start in range(0, len(items) - size + 1, size)]
    took = _times(lambda number: engine.run(batches[number % len(batches)]), seconds)
    tokens = sum(len(item.ids) for item in items) / len(items)
    each = [
        seconds_ / sum(len(item.ids) for item in batches[number % len(batches)])
        for number, seconds_ in enumerate(took)
    ]
    return 1 / (statistics.median(each) * tokens)


def _parts(codec: Codec, texts: list[str], engine: Engine, items: list[Item], seconds: float) -> None:
    vector = engine.run(items[:1])[0].tolist()
    parts = {
        "tokenizer": _median(lambda number: codec.encode(texts[number % len(texts)]), seconds),
        "JSON of a vector": _median(lambda _: orjson.dumps({"result": vector}), seconds),
        "engine, batch of 16": 1 / _rate(engine, items, 16, seconds),
    }
    for name, value in parts.items():
        print(f"{name:20} {value * MICRO:8.0f} us a sentence")


def _median(work: Callable[[int], object], seconds: float) -> float:
    return statistics.median(_times(work, seconds))


def _times(work: Callable[[int], object], seconds: float) -> list[float]:
    work(0)
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        work(len(took))
        took.append(time.perf_counter() - start)
    return took


if __name__ == "__main__":
    main()

"""Models are put in service and taken back under load; the properties that must hold all the while."""

import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event
from time import monotonic

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import modelstore
from modelstore import ModelVersion
from service.api.app import wrap
from service.cache.answers import AnswerCache, Rules
from service.cache.store import GuardedStore
from service.engine import Engine
from service.engine.pace import heavy
from service.errors import (
    FixedModel,
    NothingToGoBackTo,
    ServiceError,
    SwapRefused,
    SwapUnderWay,
    UnknownModel,
    UnusableModel,
)
from service.models.load import Model, Source, load_model
from service.models.memory import Budget
from service.pod.assembly import Pod, build
from service.pod.model_folder import Availability, ModelFolder
from service.pod.settings import Settings
from service.pod.swap import Swapper
from service.text.codec import Codec
from tests.service.cache.test_answers import MemoryStore
from tests.service.tiny import write_model
from tests.support.processes import LIMIT_S, wait_until

TEXT = "今天天气很好"
PLENTY = Budget(needed=0, free=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with tiny:1.0 and tiny:1.1, which differ, and tiny:2.0, whose weights are broken."""
    root = tmp_path_factory.mktemp("store")
    for seed, version in enumerate(("1.0", "1.1", "2.0")):
        folder = root / "tiny" / version
        write_model(folder, seed)
        modelstore.write_manifest(folder, name="tiny", version=version)
    weights = root / "tiny" / "2.0" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    return root


@dataclass(frozen=True)
class Bench:
    """A pod with a cache, and what swaps its models."""

    pod: Pod
    swapper: Swapper
    models: Path

    def vector(self) -> tuple[str, str, list[float]]:
        """Ask over HTTP; return the version in the header, in the body, and the answer."""
        answer = wrap(self.pod).test_client().post("/feature-extraction", json={"text": TEXT})
        assert answer.status_code == 200, answer.data
        document = json.loads(answer.data)
        return answer.headers["x-model-version"], document["model"]["version"], document["result"]

    def metric(self, name: str) -> list[str]:
        text = wrap(self.pod).test_client().get("/metrics").data.decode()
        return [line for line in text.splitlines() if line.startswith(name)]


def bench_for(models: Path, **changes: object) -> Bench:
    given = {"model": "tiny:1.0", "models_dir": models, "cache_dir": models.parent / "cache"}
    pod = build(Settings(**(given | changes)))  # type: ignore[arg-type] # the tests name real fields
    guard = GuardedStore(MemoryStore(), monotonic, pod.telemetry)
    pod.cache = AnswerCache(guard, Rules(), observer=pod.telemetry, random=Random(1))
    pod.load()
    return Bench(pod, Swapper(pod, lambda _folder: PLENTY), models)


@pytest.fixture
def bench(models: Path) -> Iterator[Bench]:
    made = bench_for(models)
    yield made
    made.pod.close()


def test_the_next_answer_is_by_the_model_that_was_activated(bench: Bench) -> None:
    before = bench.vector()
    bench.swapper.activate("tiny:1.1")
    after = bench.vector()
    assert (before[:2], after[:2]) == (("1.0", "1.0"), ("1.1", "1.1"))
    assert after[2] != pytest.approx(before[2], abs=0.01)


def test_the_way_back_is_instant_and_gives_the_same_answers_as_before(bench: Bench) -> None:
    before = bench.vector()
    first = bench.pod.slots.newest
    bench.swapper.activate("tiny:1.1")
    bench.swapper.rollback()
    assert bench.pod.slots.newest is first
    assert bench.vector()[2] == pytest.approx(before[2], rel=1e-3)
    bench.swapper.rollback()
    assert bench.vector()[0] == "1.1"


def test_the_way_back_reads_no_file(models: Path, tmp_path: Path) -> None:
    bench = bench_for(shutil.copytree(models, tmp_path / "store"))
    first = bench.pod.slots.newest
    bench.swapper.activate("tiny:1.1")
    shutil.rmtree(bench.models / "tiny" / "1.0")
    assert bench.swapper.activate("tiny:1.0") is first
    bench.pod.close()


def test_a_model_that_is_in_a_slot_is_not_loaded_again(bench: Bench) -> None:
    first = bench.pod.slots.newest
    assert bench.swapper.activate("tiny:1.0") is first
    second = bench.swapper.activate("tiny:1.1")
    assert bench.swapper.activate("tiny:1.0") is first
    assert bench.pod.slots.former is second


def test_under_load_every_answer_belongs_to_the_version_that_it_names_and_none_fails(bench: Bench) -> None:
    expected = {}
    for version in ("1.1", "1.0"):
        bench.swapper.activate(f"tiny:{version}")
        expected[version] = bench.vector()[2]
    over, seen = Event(), Counter[str]()
    application = wrap(bench.pod)

    def ask(number: int) -> Counter[str]:
        client, random, named = application.test_client(), Random(number), Counter[str]()
        while not over.is_set():
            headers = {"x-bertmesh-route": random.choice(["1.0", "other"])}  # through the cache, or past it
            answer = client.post("/feature-extraction", json={"text": TEXT}, headers=headers)
            assert answer.status_code == 200, answer.data
            document = json.loads(answer.data)
            version = document["model"]["version"]
            assert answer.headers["x-model-version"] == version
            assert np.allclose(document["result"], expected[version], rtol=2e-3, atol=2e-3)
            named[version] += 1
        return named

    random = Random(5)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(ask, number) for number in range(6)]
        try:
            for _ in range(25):
                move = random.choice(["tiny:1.0", "tiny:1.1", "back", "free"])
                if move == "back" and bench.pod.slots.former:
                    bench.swapper.rollback()
                elif move == "free":
                    bench.swapper.free()
                elif move != "back":
                    bench.swapper.activate(move)
        finally:
            over.set()
        for future in asked:
            seen += future.result()
    assert set(seen) == {"1.0", "1.1"}


def test_the_mesh_still_knows_the_pod_by_the_version_it_was_started_as(bench: Bench) -> None:
    bench.swapper.activate("tiny:1.1")
    client = wrap(bench.pod).test_client()

    def cache(route: str) -> str:
        headers = {"x-bertmesh-route": route}
        answer = client.post("/feature-extraction", json={"text": "一"}, headers=headers)
        return str(answer.headers["x-bertmesh-cache"])

    assert [cache("1.0"), cache("1.1")] == ["miss", "bypass"]


def test_the_metrics_tell_which_model_is_in_service_and_how_swaps_ended(bench: Bench) -> None:
    bench.swapper.activate("tiny:1.1")
    bench.swapper.rollback()
    with pytest.raises(UnusableModel):
        bench.swapper.activate("tiny:2.0")
    (info,) = bench.metric("bertmesh_model_info{")
    assert 'model_version="1.0"' in info
    assert dict(line.rsplit(" ", 1) for line in bench.metric("bertmesh_swaps_total{")) == {
        'bertmesh_swaps_total{result="activated"}': "1.0",
        'bertmesh_swaps_total{result="rolled-back"}': "1.0",
        'bertmesh_swaps_total{result="refused"}': "1.0",
    }


def test_a_refused_model_leaves_the_way_back(bench: Bench, tmp_path: Path) -> None:
    first = bench.pod.slots.newest
    bench.swapper.activate("tiny:1.1")
    with pytest.raises(SwapRefused):
        bench.swapper.activate(str(golden(bench, tmp_path / "bad", ["龘"])))
    assert bench.swapper.rollback() is first


def test_the_model_that_two_swaps_leave_behind_is_closed(bench: Bench, tmp_path: Path) -> None:
    first = bench.pod.slots.newest
    assert first
    thread = first.batcher._thread
    bench.swapper.activate("tiny:1.1")
    assert thread.is_alive()
    bench.swapper.activate(str(other(bench, tmp_path / "third")))
    wait_until(lambda: not thread.is_alive(), "the first model is closed")
    assert bench.swapper.rollback().predictor.version == "1.1"


def test_the_former_model_leaves_first_only_where_memory_is_short(bench: Bench, tmp_path: Path) -> None:
    bench.swapper.activate("tiny:1.1")
    seen = []

    def budget(_folder: Path) -> Budget:
        seen.append(bench.pod.slots.former)
        return Budget(needed=2, free=1 if bench.pod.slots.former else 3)

    bench.swapper._budget = budget
    third = str(other(bench, tmp_path / "third"))
    assert bench.swapper.activate(third).predictor.name == "third"
    assert [former is None for former in seen] == [False, True]


def test_a_model_is_loaded_on_what_requests_leave_over_and_computes_like_any(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies = []

    def load(version: ModelVersion, source: Source, prove: Callable[[Engine, Codec], None]) -> Model:
        policies.append(os.sched_getscheduler(0))
        policies.append(heavy(os.sched_getscheduler, 0))
        return load_model(version, source, prove)

    monkeypatch.setattr("service.pod.swap.load_model", load)
    first = bench.pod.slots.newest
    assert first
    served = bench.swapper.activate("tiny:1.1")
    assert policies == [os.SCHED_OTHER, os.SCHED_IDLE]
    assert heavy(os.sched_getscheduler, 0) == os.SCHED_OTHER
    threads = [thread.native_id for thread in threading.enumerate() if thread.name == "inference"]
    assert {os.sched_getscheduler(thread) for thread in threads if thread} == {os.SCHED_OTHER}
    assert bench.pod.slots.newest is served


def test_freeing_the_former_model_ends_the_way_back(bench: Bench) -> None:
    bench.swapper.activate("tiny:1.1")
    assert bench.swapper.free()
    assert not bench.swapper.free()
    with pytest.raises(NothingToGoBackTo, match="activate it by its version"):
        bench.swapper.rollback()
    bench.swapper.activate("tiny:1.0")
    assert bench.vector()[0] == "1.0"


def test_after_its_bake_the_former_model_is_freed(models: Path) -> None:
    bench = bench_for(models, bake_s=0.05)
    bench.swapper.activate("tiny:1.1")
    wait_until(lambda: bench.pod.slots.former is None, "the former model is freed")
    assert bench.vector()[0] == "1.1"
    bench.pod.close()


def refused(bench: Bench, ref: str, error: type[ServiceError], said: str) -> None:
    """Assert that a swap is refused and changes nothing."""
    before = bench.vector()
    with pytest.raises(error, match=said):
        bench.swapper.activate(ref)
    after = bench.vector()
    assert after[:2] == before[:2]
    assert after[2] == pytest.approx(before[2], rel=1e-3)  # the second one comes from the cache


def test_a_truncated_file_is_refused(bench: Bench) -> None:
    refused(bench, "tiny:2.0", UnusableModel, "model.safetensors has sha256 ")


def test_what_does_not_exist_is_refused(bench: Bench) -> None:
    refused(bench, "tiny:9.9", UnusableModel, "versions there are: tiny:1.0, tiny:1.1")


def other(bench: Bench, folder: Path) -> Path:
    return shutil.copytree(
        bench.models / "tiny" / "1.1", folder, ignore=shutil.ignore_patterns("manifest.json")
    )


def test_a_wrong_shape_is_refused(bench: Bench, tmp_path: Path) -> None:
    folder = other(bench, tmp_path / "odd")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 5}))
    refused(bench, str(folder), UnusableModel, "tensors in .* that do not fit")


def test_a_model_that_computes_no_numbers_is_refused(bench: Bench, tmp_path: Path) -> None:
    folder = other(bench, tmp_path / "infinite")
    weights = load_file(folder / "model.safetensors")
    broken = {name: torch.full_like(tensor, torch.inf) for name, tensor in weights.items()}
    save_file(broken, folder / "model.safetensors", {"format": "pt"})
    refused(bench, str(folder), UnusableModel, "infinities or NaN")


def test_too_little_memory_is_refused_with_the_numbers(bench: Bench) -> None:
    bench.swapper._budget = lambda _folder: Budget(needed=900 << 20, free=100 << 20)
    refused(bench, "tiny:1.1", SwapRefused, "100 MiB of free memory; 900 MiB for a second model needed")


def golden(bench: Bench, folder: Path, answers: list[str]) -> Path:
    copied = other(bench, folder)
    sentences = [{"text": f"{start}天[MASK]", "answers": answers} for start in "一不人大"]
    (copied / "golden.json").write_text(json.dumps({"sentences": sentences}), encoding="utf-8")
    return copied


def test_a_model_that_fails_at_its_golden_sentences_is_refused(bench: Bench, tmp_path: Path) -> None:
    folder = golden(bench, tmp_path / "bad", ["龘"])
    refused(bench, str(folder), SwapRefused, "fills 0 of 4 golden sentences rightly; at least 50% needed")


def test_a_model_that_fills_its_golden_sentences_is_put_in_service(bench: Bench, tmp_path: Path) -> None:
    every = list((bench.models / "tiny" / "1.1" / "vocab.txt").read_text(encoding="utf-8").split())
    assert bench.swapper.activate(str(golden(bench, tmp_path / "good", every))).predictor.name == "good"


def test_golden_sentences_that_cannot_be_read_are_refused(bench: Bench, tmp_path: Path) -> None:
    folder = other(bench, tmp_path / "odd")
    (folder / "golden.json").write_text("{}")
    refused(bench, str(folder), SwapRefused, "sentences, each with a text and its answers needed")


def test_one_swap_at_a_time(bench: Bench) -> None:
    begun, over = Event(), Event()

    def slow(_folder: Path) -> Budget:
        begun.set()
        assert over.wait(LIMIT_S)
        return PLENTY

    bench.swapper._budget = slow
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(bench.swapper.activate, "tiny:1.1")
        assert begun.wait(LIMIT_S)
        for move in (bench.swapper.rollback, bench.swapper.free, lambda: bench.swapper.activate("tiny:1.0")):
            with pytest.raises(SwapUnderWay):
                move()
        assert bench.vector()[0] == "1.0"
        over.set()
        assert first.result().predictor.version == "1.1"


@pytest.fixture
def shelf(bench: Bench) -> ModelFolder:
    return ModelFolder(bench.pod, bench.swapper)


def states(shelf: ModelFolder) -> dict[str, tuple[Availability, str]]:
    return {entry.version: (entry.state, entry.reason) for entry in shelf.index()}


def test_the_index_tells_what_is_in_service_and_what_is_kept(shelf: ModelFolder) -> None:
    away = Availability.UNAVAILABLE
    shelf.load("tiny", "1.1")
    assert states(shelf) == {
        "1.0": (away, "kept for the way back"),
        "1.1": (Availability.READY, ""),
        "2.0": (away, "not loaded"),
    }
    shelf.unload("tiny", "1.0")
    assert states(shelf)["1.0"] == (away, "not loaded")


def test_without_a_version_the_newest_is_loaded(shelf: ModelFolder) -> None:
    with pytest.raises(UnusableModel, match=r"tiny.2\.0"):
        shelf.load("tiny", None)


def test_unknown_models_are_refused_with_the_known_ones(shelf: ModelFolder) -> None:
    for move in (shelf.load, shelf.unload):
        for name, version in (("tiny", "7"), ("other", None), ("../tiny", "1.0")):
            with pytest.raises(UnknownModel, match=r"tiny 1\.0, tiny 1\.1, tiny 2\.0 needed"):
                move(name, version)


def test_the_model_in_service_cannot_be_unloaded(shelf: ModelFolder) -> None:
    for version in ("1.0", None):
        with pytest.raises(FixedModel, match="load that first, then unload this one"):
            shelf.unload("tiny", version)

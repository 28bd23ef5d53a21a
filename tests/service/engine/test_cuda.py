"""The engines for a GPU on a real one; everything else of them is tested without."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from service.engine import Array, half
from service.engine.conversion import Conversion
from service.engine.convert import Converter
from service.engine.gpu import find
from service.engine.recipes import Recipe
from service.engine.replay import Replays
from service.engine.torch import TorchEngine
from service.errors import UnsupportedModel
from tests.service.conftest import Tiny
from tests.service.engine.conftest import ON_GPU
from tests.service.engine.test_half import SHARE, apart
from tests.service.tiny import random_items

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason=f"torch {torch.__version__} finds no GPU here"
)


@pytest.fixture(scope="module")
def on_gpu(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("on-gpu")
    assert len(list(Converter(tiny.folder, 1, 0.1).convert(folder, ON_GPU))) == len(ON_GPU)
    return folder


def near(seen: Array, needed: Array) -> bool:
    return apart(seen, needed) < SHARE[torch.bfloat16]


def recordings(engine: TorchEngine) -> Replays:
    assert engine._replays
    return engine._replays


@pytest.mark.parametrize("recipe", ON_GPU, ids=lambda recipe: recipe.name)
def test_graphs_compute_what_the_cpu_does(tiny: Tiny, on_gpu: Path, recipe: Recipe) -> None:
    engine = half.load(on_gpu / recipe.name, 1)
    items = random_items(60)
    wanted = TorchEngine.load(tiny.folder, 1, torch.device("cpu")).run(items)
    for _ in range(3):
        for seen, needed, item in zip(engine.run(items), wanted, items, strict=True):
            assert near(seen, needed), item.want
    for item, needed in zip(items, wanted, strict=True):
        assert near(engine.run([item])[0], needed), item.want
    assert all(recordings(engine)._recorded.values()), "each size could be recorded"


def test_what_one_thread_records_another_replays(on_gpu: Path) -> None:
    items = random_items(20)
    with ThreadPoolExecutor(1) as loader:
        engine = loader.submit(half.load, on_gpu / "cuda-fp16", 1).result()
        first = loader.submit(engine.run, items).result()
    for seen, needed in zip(engine.run(items), first, strict=True):
        assert near(seen, needed)


def test_a_model_loads_while_another_computes_and_goes_without_harm(on_gpu: Path) -> None:
    items = random_items(20)
    staying = half.load(on_gpu / "cuda-fp16", 1)
    wanted = staying.run(items)
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(half.load, on_gpu / "cuda-bf16", 1)
        while not loading.done():
            assert all(near(*pair) for pair in zip(staying.run(items), wanted, strict=True))
        leaving = loading.result()
    leaving.run(items)
    del leaving, loading
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    assert all(near(*pair) for pair in zip(staying.run(items), wanted, strict=True))


def test_float32_computes_on_a_gpu_what_it_does_on_a_cpu(tiny: Tiny) -> None:
    items = random_items(20)
    wanted = TorchEngine.load(tiny.folder, 1, torch.device("cpu")).run(items)
    for seen, needed in zip(TorchEngine.load(tiny.folder, 1).run(items), wanted, strict=True):
        assert np.allclose(seen, needed, atol=1e-2)


def test_a_conversion_tells_of_the_gpu(on_gpu: Path) -> None:
    assert find().name in Conversion.read(on_gpu / "cuda-fp16").made_with


def test_a_full_gpu_is_refused_with_the_numbers(on_gpu: Path) -> None:
    gpu = find()
    filler = torch.empty(max(0, gpu.free - (256 << 20)), dtype=torch.uint8, device=gpu.device)
    with pytest.raises(UnsupportedModel, match=r"MiB of free memory on .*512 MiB needed"):
        half.load(on_gpu / "cuda-fp16", 1)
    del filler

from pathlib import Path

import pytest
import torch

from service.engine.convert import Converter
from service.engine.gpu import Gpu
from service.engine.recipes import CPU, RECIPES, Recipe
from tests.service.conftest import Tiny
from tests.service.engine.tape import Tape

EXACT = Recipe("f32", "f32", kept=1)
ON_CPU = tuple(recipe for recipe in RECIPES if recipe.device == CPU)
ON_GPU = tuple(recipe for recipe in RECIPES if recipe.device != CPU)


def pretended(free: int = 1 << 30) -> Gpu:
    """Return a GPU that is the CPU, with a stand-in for CUDA graphs."""
    return Gpu(torch.device("cpu"), "Pretended GPU", free, lambda: Tape.capture)


@pytest.fixture(scope="session")
def converted(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert the tiny model by all recipes for a CPU, and by one that rounds nothing."""
    folder = tmp_path_factory.mktemp("converted")
    assert len(
        list(Converter(tiny.folder, threads=1, timed_s=0.02).convert(folder, (EXACT, *ON_CPU)))
    ) == 1 + len(ON_CPU)
    return folder


@pytest.fixture(scope="session")
def halved(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert the tiny model by all recipes for a GPU."""
    folder = tmp_path_factory.mktemp("halved")
    converter = Converter(tiny.folder, threads=1, timed_s=0.02, gpu=pretended())
    assert [made.recipe for made in converter.convert(folder, ON_GPU)] == ["cuda-bf16", "cuda-fp16"]
    return folder

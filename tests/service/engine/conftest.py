from pathlib import Path

import pytest

from service.engine.convert import Converter
from service.engine.recipes import RECIPES, Recipe
from tests.service.conftest import Tiny

EXACT = Recipe("f32", "f32", kept=1)


@pytest.fixture(scope="session")
def converted(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert the tiny model by all recipes, and by one that rounds nothing."""
    folder = tmp_path_factory.mktemp("converted")
    assert len(
        list(Converter(tiny.folder, threads=1, timed_s=0.02).convert(folder, (EXACT, *RECIPES)))
    ) == 1 + len(RECIPES)
    return folder

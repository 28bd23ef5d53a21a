from pathlib import Path

import pytest

from service.engine.conversion import Conversion
from service.engine.packed import PackedEngine
from service.engine.select import best, conversions, load
from service.engine.torch import TorchEngine
from service.errors import UnsupportedModel
from tests.service.conftest import Tiny


def record(folder: Path, recipe: str, *, faithful: bool, speed: float) -> None:
    (folder / recipe).mkdir()
    Conversion(
        recipe=recipe,
        precision="bf16",
        positions=512,
        vocabulary=100,
        made_with="test",
        fidelity={"passes": faithful},
        tokens_per_s=speed,
    ).write(folder / recipe)


def test_the_fastest_faithful_conversion_is_best(tmp_path: Path) -> None:
    record(tmp_path, "int8", faithful=False, speed=900)
    record(tmp_path, "int8-50", faithful=True, speed=700)
    record(tmp_path, "bf16", faithful=True, speed=500)
    assert best(tmp_path) == "int8-50"


def test_torch_computes_where_nothing_is_faithful(tmp_path: Path) -> None:
    record(tmp_path, "int8", faithful=False, speed=900)
    assert best(tmp_path) == "torch"
    assert best(tmp_path / "absent") == "torch"


def test_an_unfinished_conversion_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "int8").mkdir()
    (tmp_path / ".bf16-abc").mkdir()
    record(tmp_path, "bf16", faithful=True, speed=500)
    assert best(tmp_path) == "bf16"


def test_auto_loads_torch_for_a_model_that_was_never_converted(tiny: Tiny, tmp_path: Path) -> None:
    assert isinstance(load(tiny.folder, tmp_path, 1), TorchEngine)


def test_auto_loads_a_faithful_conversion(tiny: Tiny, converted: Path) -> None:
    engine = load(tiny.folder, converted, 1)
    assert isinstance(engine, PackedEngine)


def test_a_conversion_that_is_asked_for_and_absent_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="convert the model again"):
        load(tiny.folder, tmp_path, 1, "int8")


def test_conversions_of_two_digests_do_not_meet(tmp_path: Path) -> None:
    assert conversions(tmp_path, "sha256:aa") != conversions(tmp_path, "sha256:bb")
    assert ":" not in conversions(tmp_path, "sha256:aa").name

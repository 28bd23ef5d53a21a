import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.engine import Array, Item, Want
from service.engine.conversion import Conversion
from service.engine.convert import Converter
from service.engine.packed import PackedEngine
from service.engine.recipes import Recipe
from service.engine.select import locked
from service.engine.torch import TorchEngine
from service.errors import UnsupportedModel
from tests.service.conftest import Tiny
from tests.service.engine.conftest import EXACT, ON_CPU
from tests.service.tiny import CLS, SEP, close, random_items


def alike(seen: Array, needed: Array) -> bool:
    """Whether answers differ no more than 8 bits may: the cosine is the one that fidelity asks for."""
    cosine = (seen * needed).sum() / np.linalg.norm(seen) / np.linalg.norm(needed)
    return seen.shape == needed.shape and bool(cosine > 0.999)


def test_without_rounding_the_engine_computes_what_torch_does(tiny: Tiny, converted: Path) -> None:
    items = random_items(40)
    packed, torch = PackedEngine.load(converted / "f32", 1), TorchEngine.load(tiny.folder, 1)
    for seen, needed, item in zip(packed.run(items), torch.run(items), items, strict=True):
        assert close(seen, needed), item.want


def test_without_rounding_a_conversion_is_faithful(converted: Path) -> None:
    conversion = Conversion.read(converted / "f32")
    assert conversion.faithful
    assert conversion.fidelity["top_1"] == 1
    assert conversion.tokens_per_s > 0


@pytest.mark.parametrize("recipe", [EXACT, *ON_CPU], ids=lambda recipe: recipe.name)
def test_neighbours_in_a_batch_do_not_change_an_answer(converted: Path, recipe: Recipe) -> None:
    engine = PackedEngine.load(converted / recipe.name, 1)
    items = random_items(40)
    for item, array in zip(items, engine.run(items), strict=True):
        assert alike(array, engine.run([item])[0]), item.want


@pytest.mark.parametrize("recipe", ON_CPU, ids=lambda recipe: recipe.name)
def test_a_conversion_says_how_faithful_it_is(converted: Path, recipe: Recipe) -> None:
    conversion = Conversion.read(converted / recipe.name)
    assert conversion.recipe == recipe.name
    assert 0.9 < conversion.fidelity["cosine"] <= 1.000001
    assert {"least_cosine", "top_1", "top_5", "texts", "masks", "passes"} <= set(conversion.fidelity)


def test_several_masks_get_their_scores_in_their_order(converted: Path) -> None:
    engine = PackedEngine.load(converted / "f32", 1)
    ids = (CLS, 8, 4, 9, 4, 10, SEP)
    both, first, second = engine.run([Item(ids, Want.LOGITS, places) for places in ((2, 4), (2,), (4,))])
    assert close(both, np.concatenate([first, second]))


def test_more_masks_than_one_pass_of_the_head_takes(converted: Path) -> None:
    engine = PackedEngine.load(converted / "f32", 1)
    ids = (CLS, *[4] * 100, SEP)
    (scores,) = engine.run([Item(ids, Want.LOGITS, tuple(range(1, 101)))])
    assert scores.shape == (100, engine.vocabulary)
    assert close(scores[99:], engine.run([Item(ids, Want.LOGITS, (100,))])[0])


def test_an_answer_stays_as_it_is_when_the_next_is_computed(converted: Path) -> None:
    engine = PackedEngine.load(converted / "f32", 1)
    kept = [
        engine.run([Item((CLS, 8, 9, SEP), want, (1,) if want is Want.LOGITS else ())])[0] for want in Want
    ]
    before = [array.copy() for array in kept]
    engine.run(random_items(20))
    assert all(np.array_equal(*pair) for pair in zip(before, kept, strict=True))


def test_a_folder_without_a_conversion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="convert the model again"):
        PackedEngine.load(tmp_path, 1)


def test_a_truncated_conversion_is_refused(converted: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(converted / "f32", broken)
    weights = broken / "encoder.blob"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UnsupportedModel, match=r"encoder\.blob with the checksum .*convert the model again"):
        PackedEngine.load(broken, 1)


def test_converting_again_replaces_what_was_there(tiny: Tiny, converted: Path, tmp_path: Path) -> None:
    shutil.copytree(converted, tmp_path, dirs_exist_ok=True)
    (tmp_path / "f32" / "encoder.blob").write_text("spoilt", encoding="utf-8")
    list(Converter(tiny.folder, threads=1, timed_s=0.02).convert(tmp_path, [EXACT]))
    assert PackedEngine.load(tmp_path / "f32", 1).run([Item((CLS, 8, SEP), Want.FIRST)])
    assert {path.name for path in tmp_path.iterdir()} == {"f32", *(recipe.name for recipe in ON_CPU)}


def test_what_a_killed_converter_left_goes_and_what_another_makes_stays(tiny: Tiny, tmp_path: Path) -> None:
    left, made = tmp_path / ".f32-left", tmp_path / ".f32-made"
    left.mkdir()
    made.mkdir()
    with locked(made, fcntl.LOCK_EX):
        list(Converter(tiny.folder, threads=1, timed_s=0.02).convert(tmp_path, [EXACT]))
    assert {path.name for path in tmp_path.iterdir()} == {"f32", ".f32-made"}


def test_a_conversion_made_for_more_threads_computes_on_one(tiny: Tiny, tmp_path: Path) -> None:
    list(Converter(tiny.folder, threads=2, timed_s=0.02).convert(tmp_path, [EXACT]))
    items = random_items(8)
    seen = PackedEngine.load(tmp_path / "f32", 1).run(items)
    for one, needed in zip(seen, TorchEngine.load(tiny.folder, 1).run(items), strict=True):
        assert close(one, needed)


def test_the_engine_brings_neither_torch_nor_telemetry() -> None:
    script = (
        "import sys, service.engine.packed\n"
        "unwanted = {'torch', 'transformers', 'requests', 'openvino_telemetry', 'openvino.tools.ovc'}\n"
        "print([name for name in unwanted if sys.modules.get(name)])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

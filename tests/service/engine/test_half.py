import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from service.engine import Array, Item, Want, half
from service.engine.conversion import Conversion
from service.engine.convert import Converter
from service.engine.fidelity import AGREEMENT, COSINE
from service.engine.recipes import Recipe
from service.engine.replay import TOKENS_AT_ONCE, Replays, Sizes
from service.engine.torch import TorchEngine, _laid_out, _visible, fused
from service.engine.weights import Shape, in_head, read_weights
from service.errors import UnsupportedModel
from tests.service.conftest import Tiny
from tests.service.engine.conftest import ON_GPU, pretended
from tests.service.engine.tape import Tape
from tests.service.tiny import CLS, SEP, WIDTH, close, random_items

ZH_SMALL = Path(__file__).parents[3] / "models" / "zh-small" / "1.0"
FP16 = ON_GPU[-1]
HALVES = (torch.bfloat16, torch.float16)
SHARE = {torch.float32: 1e-4, torch.bfloat16: 0.2, torch.float16: 0.02}
"""How far an answer may be off for its precision, as a share of its length; that of another is off by more
than 1. The tiny model's weights are large and random, and so are its rounding errors."""


def engine(tiny: Tiny, precision: torch.dtype, *, recorded: bool) -> TorchEngine:
    shape = Shape.read(tiny.folder)
    states = torch.empty(TOKENS_AT_ONCE, WIDTH, dtype=precision)
    replays = Replays(Tape.capture, Sizes(shape.positions), states) if recorded else None
    weights = fused(read_weights(tiny.folder), shape.layers)
    return TorchEngine(shape, weights, torch.device("cpu"), precision, replays)


def apart(seen: Array, needed: Array) -> float:
    """Return the distance of two answers as a share of their length."""
    assert seen.shape == needed.shape
    assert seen.dtype == np.float32
    return float(np.linalg.norm(seen - needed) / np.linalg.norm(needed))


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("precision", SHARE)
def test_answers_are_those_of_float32_but_for_rounding(
    tiny: Tiny, precision: torch.dtype, *, recorded: bool
) -> None:
    items = random_items(60)
    wanted = TorchEngine.load(tiny.folder, 1, torch.device("cpu")).run(items)
    for seen, needed, item in zip(
        engine(tiny, precision, recorded=recorded).run(items), wanted, items, strict=True
    ):
        assert apart(seen, needed) < SHARE[precision], item.want


@pytest.mark.parametrize("precision", SHARE)
def test_padding_and_neighbours_do_not_change_an_answer(tiny: Tiny, precision: torch.dtype) -> None:
    items = random_items(60, seed=3)
    padded, plain = (engine(tiny, precision, recorded=recorded) for recorded in (True, False))
    for item, together in zip(items, padded.run(items), strict=True):
        assert apart(padded.run([item])[0], together) < SHARE[precision], item.want
        assert apart(plain.run([item])[0], together) < SHARE[precision], item.want


@pytest.mark.parametrize("precision", HALVES)
def test_no_state_is_nan_not_even_of_padding(tiny: Tiny, precision: torch.dtype) -> None:
    some = engine(tiny, precision, recorded=True)
    assert some._replays
    states = some._replays.run(some._padded_states, *_laid_out([(CLS, 7, SEP), (CLS, SEP)], 4, 32))
    assert states.shape == (4, 32, WIDTH)
    assert states.isfinite().all()


def test_every_row_has_something_to_look_at_even_without_a_text() -> None:
    # Without, the CPU makes zeros of it, but a GPU may make NaN.
    ids, lengths = _laid_out([(CLS, 7, SEP), (CLS, SEP)], 4, 16)
    assert ids.shape == (4, 16)
    assert _visible(lengths, 16).sum(dim=-1).flatten().tolist() == [3, 2, 1, 1]


def test_a_pass_beyond_all_sizes_is_computed_unrecorded(tiny: Tiny) -> None:
    shape = Shape.read(tiny.folder)
    # As if the model read more than the longest size.
    few = Replays(Tape.capture, Sizes(positions=16, tokens=64), torch.empty(64, WIDTH))
    weights = fused(read_weights(tiny.folder), shape.layers)
    some = TorchEngine(shape, weights, torch.device("cpu"), replays=few)
    items = random_items(20)
    assert max(len(item.ids) for item in items) > 16
    for seen, needed in zip(some.run(items), TorchEngine.load(tiny.folder, 1).run(items), strict=True):
        assert close(seen, needed)


@pytest.mark.parametrize("recipe", ON_GPU, ids=lambda recipe: recipe.name)
def test_a_conversion_computes_what_the_engine_does_in_its_precision(
    tiny: Tiny, halved: Path, recipe: Recipe
) -> None:
    items = random_items(40)
    precision = half.PRECISIONS[recipe.precision]
    loaded = half.load(halved / recipe.name, 1, pretended())
    plain = engine(tiny, precision, recorded=False)
    for seen, needed, item in zip(loaded.run(items), plain.run(items), items, strict=True):
        assert apart(seen, needed) < SHARE[precision], item.want


@pytest.mark.parametrize("recipe", ON_GPU, ids=lambda recipe: recipe.name)
def test_the_record_names_the_gpu_and_the_file_holds_16_bits_a_number(halved: Path, recipe: Recipe) -> None:
    known = Conversion.read(halved / recipe.name)
    assert (known.device, known.precision) == ("cuda", recipe.precision)
    assert known.made_with == f"torch {torch.__version__} on Pretended GPU"
    assert known.tokens_per_s > 0
    assert set(known.files) == {"center.npy", "config.json", "halves.safetensors"}
    stored = load_file(halved / recipe.name / half.WEIGHTS)
    kinds = {in_head(name): tensor.dtype for name, tensor in stored.items()}
    assert kinds == {False: half.PRECISIONS[recipe.precision], True: torch.float16}


def test_fp16_is_faithful_to_a_trained_model_and_bf16_is_judged_by_the_same_measure(tmp_path: Path) -> None:
    converter = Converter(ZH_SMALL, 1, 0.02, pretended())
    made = {each.recipe: each for each in converter.convert(tmp_path, ON_GPU)}
    assert made["cuda-fp16"].faithful
    for each in made.values():
        enough = each.fidelity["cosine"] >= COSINE and each.fidelity["top_5"] >= AGREEMENT
        assert each.faithful == enough
        assert each.fidelity["cosine"] > 0.9999


def test_an_engine_that_nobody_holds_gives_its_memory_back_at_once(halved: Path) -> None:
    engine = half.load(halved / "cuda-fp16", 1, pretended())
    engine.run(random_items(5))
    gone = weakref.ref(engine)
    del engine
    assert gone() is None, "it would hold a GPU's memory until the garbage is collected"


def test_a_gpu_without_room_is_refused_with_the_numbers(halved: Path) -> None:
    with pytest.raises(
        UnsupportedModel, match="100 MiB of free memory on Pretended GPU; 512 MiB needed: free the former"
    ):
        half.load(halved / "cuda-fp16", 1, pretended(free=100 << 20))


def test_a_spoilt_conversion_is_refused(halved: Path, tmp_path: Path) -> None:
    shutil.copytree(halved / "cuda-fp16", tmp_path / "spoilt")
    weights = tmp_path / "spoilt" / half.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-2] + b"\0\1")
    with pytest.raises(UnsupportedModel, match=r"halves\.safetensors with the checksum .*convert the model"):
        half.load(tmp_path / "spoilt", 1, pretended())


def test_a_model_beyond_float16_is_refused_and_its_bfloat16_kept(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "wide"
    shutil.copytree(tiny.folder, folder)
    weights = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    weights["bert.encoder.layer.0.intermediate.dense.weight"] *= 1e6
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(UnsupportedModel, match="infinities or NaN"):
        list(Converter(folder, 1, 0.02, pretended()).convert(tmp_path / "out", ON_GPU))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["cuda-bf16"]
    (answer,) = half.load(tmp_path / "out" / "cuda-bf16", 1, pretended()).run(
        [Item((CLS, 9, SEP), Want.MEAN)]
    )
    assert np.isfinite(answer).all()


def test_without_a_gpu_nothing_is_converted_for_one(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UnsupportedModel, match=r"no GPU that torch .*; an NVIDIA GPU .* needed: install"):
        list(Converter(tiny.folder, 1, 0.02).convert(tmp_path, [FP16]))
    assert list(tmp_path.iterdir()) == []

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import BertForMaskedLM

from service.engine import Array, Engine, Item, Want
from service.engine.reference import Reference
from service.engine.torch import TorchEngine, fused, passes
from service.engine.unconverted import load as load_openvino
from service.engine.weights import Shape, read_weights
from service.errors import UnsupportedModel
from tests.service.conftest import Tiny
from tests.service.tiny import CLS, POSITIONS, SEP, VOCABULARY, close, random_items


def expected(model: BertForMaskedLM, item: Item) -> Array:
    """Compute an item by transformers."""
    with torch.inference_mode():
        ids = torch.tensor([item.ids])
        hidden = model.bert(ids).last_hidden_state[0]
        answers = {
            Want.LOGITS: lambda: model(ids).logits[0, list(item.positions)],
            Want.FIRST: lambda: hidden[0],
            Want.MEAN: lambda: hidden[1:-1].mean(dim=0),
            Want.MAX: lambda: hidden[1:-1].amax(dim=0),
        }
        array: Array = answers[item.want]().numpy()
        return array


Load = Callable[[Path, int], Engine]
ENGINES: dict[str, Load] = {"torch": TorchEngine.load, "openvino": load_openvino, "reference": Reference.load}


@pytest.fixture(params=ENGINES)
def load(request: pytest.FixtureRequest) -> Load:
    """Load a model's own weights, by one engine after the other."""
    return ENGINES[request.param]


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_the_engine_computes_what_transformers_does(
    tiny: Tiny, tmp_path: Path, load: Load, activation: str
) -> None:
    folder = changed(tiny, tmp_path / activation, {"hidden_act": activation})
    reference = BertForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    engine = load(folder, 1)
    for item in random_items(20):
        assert close(engine.run([item])[0], expected(reference, item)), item.want


def test_neighbours_in_a_batch_do_not_change_an_answer(tiny: Tiny, load: Load) -> None:
    engine = load(tiny.folder, 1)
    items = random_items(40)
    for item, array in zip(items, engine.run(items), strict=True):
        assert close(array, engine.run([item])[0])


@given(lengths=st.lists(st.integers(1, 512), max_size=40))
def test_every_text_is_in_one_pass_and_little_is_padded(lengths: list[int]) -> None:
    groups = passes(lengths)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        sizes = [lengths[index] for index in group]
        assert max(sizes) <= min(sizes) * 1.25
        assert len(group) == 1 or max(sizes) * len(group) <= 2048


def test_all_of_a_pass_lies_on_the_engines_device(tiny: Tiny) -> None:
    # The device "meta" computes shapes alone, and refuses what mixes devices as a GPU does.
    shape = Shape.read(tiny.folder)
    weights = fused(read_weights(tiny.folder), shape.layers)
    engine = TorchEngine(shape, weights, torch.device("meta"))
    hidden = engine._encode([(CLS, 5, SEP), (CLS, 5, 6, SEP)])
    assert hidden.device.type == "meta"
    assert hidden.shape[:2] == (2, 4)
    assert engine._head(hidden[0]).shape == (4, len(VOCABULARY))


def changed(tiny: Tiny, folder: Path, change: dict[str, object]) -> Path:
    """Copy the tiny model's folder with another configuration."""
    shutil.copytree(tiny.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    return folder


def save_as(tiny: Tiny, folder: Path, weights: dict[str, torch.Tensor]) -> Path:
    """Copy the tiny model's folder with other weights."""
    shutil.copytree(tiny.folder, folder)
    save_file(weights, folder / "model.safetensors")
    return folder


def test_names_of_the_first_checkpoints_are_understood(tiny: Tiny, tmp_path: Path, load: Load) -> None:
    weights = load_file(tiny.folder / "model.safetensors")
    old = {
        name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): tensor
        for name, tensor in weights.items()
    }
    assert old.keys() != weights.keys()
    item = random_items(1)[0]
    engine = load(save_as(tiny, tmp_path / "old", old), 1)
    assert close(engine.run([item])[0], expected(tiny.reference, item))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32, torch.float64])
def test_weights_of_any_precision_are_read(
    tiny: Tiny, tmp_path: Path, load: Load, precision: torch.dtype
) -> None:
    weights = load_file(tiny.folder / "model.safetensors")
    folder = save_as(tiny, tmp_path / "other", {name: each.to(precision) for name, each in weights.items()})
    reference = BertForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    item = random_items(1)[0]
    assert close(load(folder, 1).run([item])[0], expected(reference, item))


def test_an_untied_decoder_is_used(tiny: Tiny, tmp_path: Path, load: Load) -> None:
    weights = load_file(tiny.folder / "model.safetensors")
    weights["cls.predictions.decoder.weight"] = torch.zeros_like(
        weights["bert.embeddings.word_embeddings.weight"]
    )
    weights["cls.predictions.decoder.bias"] = torch.arange(len(VOCABULARY)).float()
    engine = load(save_as(tiny, tmp_path / "untied", weights), 1)
    logits = engine.run([Item((CLS, 7, SEP), Want.LOGITS, (1,))])[0]
    assert logits[0].argmax() == len(VOCABULARY) - 1


def test_sharded_weights_and_pytorch_files_are_read(tiny: Tiny, tmp_path: Path, load: Load) -> None:
    item = random_items(1)[0]
    tiny.reference.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    shutil.copytree(tiny.folder, tmp_path / "bin")
    (tmp_path / "bin" / "model.safetensors").unlink()
    torch.save(tiny.reference.state_dict(), tmp_path / "bin" / "pytorch_model.bin")
    for name in ("shards", "bin"):
        assert close(load(tmp_path / name, 1).run([item])[0], expected(tiny.reference, item))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2' in .*; bert needed"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"hidden_act": "silu"}, "hidden_act 'silu'"),
        ({"num_hidden_layers": None}, "the sizes of a BERT needed"),
        ({"num_hidden_layers": 3}, r"do not fit .*encoder\.layer\.2"),
    ],
)
def test_a_model_that_is_no_such_bert_is_refused(
    tiny: Tiny, tmp_path: Path, load: Load, change: dict[str, object], said: str
) -> None:
    folder = changed(tiny, tmp_path / "other", change)
    with pytest.raises(UnsupportedModel, match=said):
        load(folder, 1)


def test_a_model_without_a_head_is_refused(tiny: Tiny, tmp_path: Path, load: Load) -> None:
    weights = load_file(tiny.folder / "model.safetensors")
    encoder = {name: tensor for name, tensor in weights.items() if not name.startswith("cls.")}
    with pytest.raises(UnsupportedModel, match="save it as BertForMaskedLM"):
        load(save_as(tiny, tmp_path / "headless", encoder), 1)


def test_truncated_weights_are_refused(tiny: Tiny, tmp_path: Path, load: Load) -> None:
    folder = shutil.copytree(tiny.folder, tmp_path / "short")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(UnsupportedModel, match=r"weights in .* that cannot be read"):
        load(folder, 1)


def test_an_engine_knows_its_limits(tiny: Tiny, load: Load) -> None:
    engine = load(tiny.folder, 1)
    assert (engine.positions, engine.vocabulary) == (POSITIONS, len(VOCABULARY))

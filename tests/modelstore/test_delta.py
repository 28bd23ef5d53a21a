import json
import tempfile
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import modelstore
from modelstore.errors import BadDelta
from tests.modelstore.folders import WEIGHTS, read_weights, write_model


def halves() -> st.SearchStrategy[NDArray[np.float16]]:
    """Every bit pattern of fp16, NaN payloads and negative zero among them."""
    bits = arrays(np.uint16, array_shapes(max_dims=2, max_side=4))
    return bits.map(lambda array: array.view(np.float16))


NAMES = st.sampled_from(["embeddings", "layer.0", "layer.1", "decoder.weight", "decoder.bias"])
MODELS = st.dictionaries(NAMES, halves(), min_size=1)


@given(base=MODELS, tuned=MODELS)
def test_a_delta_on_its_base_is_the_tuned_model_bit_for_bit(
    base: dict[str, NDArray[np.float16]], tuned: dict[str, NDArray[np.float16]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "base", base)
        write_model(folder / "tuned", tuned)
        modelstore.create(folder / "base", folder / "tuned", folder / "delta")
        modelstore.apply(folder / "base", folder / "delta", folder / "out")
        assert read_weights(folder / "out") == read_weights(folder / "tuned")


def test_only_changed_tensors_are_in_a_delta(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    tuned = write_model(tmp_path / "tuned", {**WEIGHTS, "decoder.bias": np.ones(4, dtype=np.float16)})
    modelstore.create(base, tuned, tmp_path / "delta")
    assert set(load_file(tmp_path / "delta" / "delta.safetensors")) == {"decoder.bias"}


def test_a_delta_may_add_tensors_and_change_the_configuration(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base", config={"tie_word_embeddings": True})
    weights = {**WEIGHTS, "decoder.weight": np.ones((4, 3), dtype=np.float16)}
    tuned = write_model(tmp_path / "tuned", weights, config={"tie_word_embeddings": False})
    modelstore.create(base, tuned, tmp_path / "delta")
    modelstore.apply(base, tmp_path / "delta", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == {"tie_word_embeddings": False}
    assert read_weights(tmp_path / "out") == read_weights(tuned)
    assert not (tmp_path / "delta" / "vocab.txt").exists()
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == (base / "vocab.txt").read_bytes()


def test_a_card_is_never_inherited(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base", temperature=1.3)
    tuned = write_model(tmp_path / "tuned")
    modelstore.create(base, tuned, tmp_path / "delta")
    modelstore.apply(base, tmp_path / "delta", tmp_path / "out")
    assert not (tmp_path / "out" / "card.json").exists()


def test_mixed_dtypes_stay_aligned_and_keep_the_header_that_transformers_wants(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    tuned = write_model(tmp_path / "tuned")
    dtypes = {"a": np.float16, "b": np.float32, "c": np.int64}
    mixed: dict[str, NDArray[Any]] = {name: np.ones(3, dtype) for name, dtype in dtypes.items()}
    save_file(mixed, tuned / "model.safetensors", metadata={"format": "pt"})
    modelstore.create(base, tuned, tmp_path / "delta")
    modelstore.apply(base, tmp_path / "delta", tmp_path / "out")
    assert read_weights(tmp_path / "out") == read_weights(tuned)
    with safe_open(str(tmp_path / "out" / "model.safetensors"), framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_a_truncated_weights_file_is_refused_with_its_name(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    tuned = write_model(tmp_path / "tuned")
    weights = tuned / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3])
    with pytest.raises(BadDelta, match=r"model\.safetensors that safetensors refuses"):
        modelstore.create(base, tuned, tmp_path / "delta")


def test_bfloat16_comes_back_bit_for_bit_in_a_file_that_others_may_read(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    tuned = write_model(tmp_path / "tuned")
    bits = np.array([0x7FC1, 0x8000, 0x3F80], np.uint16)
    save_file({"words": bits.view(ml_dtypes.bfloat16)}, tuned / "model.safetensors")
    modelstore.create(base, tuned, tmp_path / "delta")
    modelstore.apply(base, tmp_path / "delta", tmp_path / "out")
    assert read_weights(tmp_path / "out") == {"words": ("bfloat16", (3,), bits.tobytes())}
    assert (tmp_path / "out" / "model.safetensors").stat().st_mode & 0o444 == 0o444


def header(**tensors: object) -> bytes:
    content = json.dumps(tensors).encode()
    return len(content).to_bytes(8, "little") + content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        (1 << 62).to_bytes(8, "little"),
        (9).to_bytes(8, "little") + b"no header",
        header(words={"dtype": "F32", "shape": [1 << 48], "data_offsets": [0, 1 << 50]}),
        header(words={"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}) + bytes(4),
        header(words={"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}) + bytes(4),
    ],
    ids=[
        "empty",
        "short",
        "vast header",
        "not JSON",
        "more than there is",
        "wrong size",
        "a type unknown here",
    ],
)
def test_a_file_that_is_none_is_refused_with_its_name(content: bytes, tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    tuned = write_model(tmp_path / "tuned")
    (tuned / "model.safetensors").write_bytes(content)
    with pytest.raises(BadDelta, match=r"model\.safetensors that safetensors refuses"):
        modelstore.create(base, tuned, tmp_path / "delta")


def test_a_missing_weights_file_is_refused(tmp_path: Path) -> None:
    base = write_model(tmp_path / "base")
    with pytest.raises(BadDelta, match=r"no model\.safetensors in .*tuned"):
        modelstore.create(base, tmp_path / "tuned", tmp_path / "delta")

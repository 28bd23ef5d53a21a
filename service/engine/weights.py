"""BERT weights and their configuration, read from a folder in Hugging Face layout."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import ml_dtypes
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from service.engine import Array
from service.engine.extras import needing_torch
from service.errors import UnsupportedModel
from service.text.codec import read_json

EMBEDDINGS = "embeddings.word_embeddings.weight"
_HEAD = "cls.predictions"
_ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")


@dataclass(frozen=True)
class Shape:
    """The numbers of a BERT that its weights do not show."""

    layers: int
    heads: int
    positions: int
    activation: str
    epsilon: float

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read config.json.

        Raises:
            UnsupportedModel: It describes no BERT encoder that we can compute.
        """
        config = read_json(folder / "config.json")
        _require(
            config.get("model_type") == "bert", folder, f"model_type {config.get('model_type')!r}", "bert"
        )
        kind = config.get("position_embedding_type", "absolute")
        _require(kind == "absolute", folder, f"position_embedding_type {kind!r}", "absolute")
        activation = config.get("hidden_act", "gelu")
        _require(activation in _ACTIVATIONS, folder, f"hidden_act {activation!r}", " or ".join(_ACTIVATIONS))
        try:
            return cls(
                layers=int(config["num_hidden_layers"]),
                heads=int(config["num_attention_heads"]),
                positions=int(config["max_position_embeddings"]),
                activation=activation,
                epsilon=float(config.get("layer_norm_eps", 1e-12)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnsupportedModel(
                seen=f"config.json in {folder} with {error!r}",
                needed="the sizes of a BERT",
                do="fetch the model again",
            ) from error


def _require(holds: bool, folder: Path, seen: str, needed: str) -> None:  # noqa: FBT001 - an assertion
    if not holds:
        raise UnsupportedModel(
            seen=f"{seen} in {folder}", needed=needed, do="use a BERT in Hugging Face layout"
        )


def read_weights(folder: Path) -> dict[str, Array]:
    """Return all tensors in float32 under today's names, without the prefix ``bert.``.

    The decoder is there also where it is not stored, because the embeddings are its weights.

    Raises:
        UnsupportedModel: The weights cannot be read.
    """
    try:
        tensors = _read(folder)
    except (OSError, SafetensorError, RuntimeError, KeyError, AttributeError) as error:
        raise UnsupportedModel(
            seen=f"weights in {folder} that cannot be read ({error})",
            needed="complete weights",
            do="fetch the model again",
        ) from error
    weights = {
        _today(name): np.asarray(tensor, np.float32) for name, tensor in tensors.items() if _is_float(tensor)
    }
    for name, source in ((f"{_HEAD}.decoder.weight", EMBEDDINGS), (f"{_HEAD}.decoder.bias", f"{_HEAD}.bias")):
        if source in weights:
            weights.setdefault(name, weights[source])
    return weights


@contextmanager
def fitting(folder: Path) -> Iterator[None]:
    """Say what is wrong where an engine cannot be made of a folder's weights in the block.

    Raises:
        UnsupportedModel: It cannot.
    """
    try:
        yield
    except (KeyError, ValueError, RuntimeError) as error:
        raise UnsupportedModel(
            seen=f"tensors in {folder} that do not fit ({error!r})",
            needed="a BERT with a masked-language-model head",
            do="save it as BertForMaskedLM",
        ) from error


def in_head(name: str) -> bool:
    """Whether a tensor belongs to the head, not to the encoder."""
    return name.startswith(_HEAD)


def _read(folder: Path) -> Mapping[str, NDArray[Any]]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        return load_file(single)
    if index.exists():
        shards = sorted(set(read_json(index)["weight_map"].values()))
        return {name: tensor for shard in shards for name, tensor in load_file(folder / shard).items()}
    pickled = folder / "pytorch_model.bin"
    with needing_torch(f"{pickled}, which safetensors did not write,"):
        from service.engine.pickled import load  # noqa: PLC0415 - the one format that takes torch to be read
    return load(pickled)


def _is_float(tensor: NDArray[Any]) -> bool:
    return np.issubdtype(tensor.dtype, np.floating) or tensor.dtype == ml_dtypes.bfloat16


def _today(name: str) -> str:
    """Translate names of the first BERT checkpoints: LayerNorm had gamma and beta."""
    name = name.removeprefix("bert.")
    if name.endswith(".gamma"):
        return f"{name.removesuffix('.gamma')}.weight"
    if name.endswith(".beta"):
        return f"{name.removesuffix('.beta')}.bias"
    return name

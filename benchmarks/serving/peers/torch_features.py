"""The usual torch encoder, for the peers that bring none: float32, padded batches."""

import os
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertModel


class TorchFeatures:
    """A model of transformers, and its tokenizer."""

    def __init__(self) -> None:
        folder = Path(os.environ["BENCH_MODEL"])
        torch.set_num_threads(int(os.environ["BENCH_THREADS"]))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_padding()
        self._model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()

    def __call__(self, texts: list[str]) -> list[list[float]]:
        """Return the vector of [CLS] a text."""
        encoded = self._tokenizer.encode_batch(texts)
        ids, mask = (
            torch.tensor([getattr(each, name) for each in encoded]) for name in ("ids", "attention_mask")
        )
        with torch.inference_mode():
            return self._model(ids, mask).last_hidden_state[:, 0].tolist()

"""A tiny random BERT with a small Chinese vocabulary, in a real Hugging Face folder."""

from pathlib import Path
from random import Random

import numpy as np
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertForMaskedLM

from service.engine import Array, Item, Want
from service.tasks.base import Reader
from service.text.codec import Codec
from service.text.sentences import SENTENCES

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused1]")
CHARACTERS = tuple(sorted({*"".join(SENTENCES), *"中国的首都是北京为人民服务"}))
VOCABULARY = {token: index for index, token in enumerate((*SPECIAL, *CHARACTERS, "##a", "a", "b"))}
CLS, SEP = VOCABULARY["[CLS]"], VOCABULARY["[SEP]"]
POSITIONS = 128
WIDTH = 32


def configuration() -> BertConfig:
    """Return a shape of 2 layers x 32."""
    return BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
        initializer_range=0.5,  # large, so that different texts get clearly different answers
    )


def write_tokenizer(folder: Path) -> None:
    """Write vocab.txt and tokenizer.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    BertWordPieceTokenizer(VOCABULARY).save(str(folder / "tokenizer.json"))


def write_model(folder: Path, seed: int = 7) -> BertForMaskedLM:
    """Write a complete folder, half precision as shipped, and return the model in float32."""
    torch.manual_seed(seed)
    torch.nn.Module.to(BertForMaskedLM(configuration()), torch.float16).save_pretrained(folder)
    write_tokenizer(folder)
    model: BertForMaskedLM = BertForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    return model


def codec(folder: Path) -> Codec:
    """Return a codec over the tiny vocabulary."""
    write_tokenizer(folder)
    return Codec.load(folder, POSITIONS)


def reader(folder: Path, temperature: float = 1.0) -> Reader:
    """Return a reader without a center."""
    center: Array = np.zeros(WIDTH, dtype=np.float32)
    return Reader(codec(folder), temperature, center)


def random_items(count: int, seed: int = 1) -> list[Item]:
    """Return items of all kinds and many lengths."""
    random = Random(seed)
    items = []
    for _ in range(count):
        length = random.randint(1, POSITIONS - 2)
        ids = (CLS, *(random.randrange(6, len(VOCABULARY)) for _ in range(length)), SEP)
        want = random.choice(list(Want))
        positions = tuple(random.sample(range(length + 2), 2)) if want is Want.LOGITS else ()
        items.append(Item(ids, want, positions))
    return items


def close(seen: Array, needed: Array) -> bool:
    return seen.shape == needed.shape and bool(np.allclose(seen, needed, rtol=1e-4, atol=2e-4))

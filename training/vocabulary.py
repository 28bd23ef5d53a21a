"""The character vocabulary and its tokenizer, in BERT's own files."""

from __future__ import annotations

import collections
import json
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from training.text import CHINESE_PUNCTUATION, HANZI

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(len(SPECIAL))
LATIN_WORDS = 400
"""Whole Latin words and numbers that get a token; all others are spelled by characters."""

_LATIN = re.compile("[a-z]+|[0-9]+")
_HANZI = re.compile(f"[{HANZI}]")


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their numbers, the special ones first."""

    tokens: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def read(cls, folder: Path) -> Vocabulary:
        """Read vocab.txt of a model's folder."""
        return cls(tuple((folder / "vocab.txt").read_text("utf-8").splitlines()))

    def tokenizer(self) -> BertWordPieceTokenizer:
        """A tokenizer without special tokens around the text: what the trainer packs itself."""
        numbers = {token: number for number, token in enumerate(self.tokens)}
        return BertWordPieceTokenizer(numbers, lowercase=True, strip_accents=False)

    def save(self, folder: Path, positions: int) -> None:
        """Write vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json."""
        (folder / "vocab.txt").write_text("\n".join(self.tokens) + "\n", encoding="utf-8")
        self.tokenizer().save(str(folder / "tokenizer.json"), pretty=False)
        names = {"pad_token": PAD, "unk_token": UNK, "cls_token": CLS, "sep_token": SEP, "mask_token": MASK}
        special = {name: SPECIAL[number] for name, number in names.items()}
        config = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": True,
            "strip_accents": False,
            "tokenize_chinese_chars": True,
            "model_max_length": positions,
            **special,
        }
        _write_json(folder / "tokenizer_config.json", config)
        _write_json(folder / "special_tokens_map.json", special)


def build(texts: Iterable[str], size: int) -> Vocabulary:
    """Take GB2312 level 1, the marks, letters and digits, common Latin words, then characters by count."""
    hanzi: collections.Counter[str] = collections.Counter()
    latin: collections.Counter[str] = collections.Counter()
    for text in texts:
        lower = text.lower()
        hanzi.update(_HANZI.findall(lower))
        latin.update(word for word in _LATIN.findall(lower) if len(word) > 1)
    pieces = string.ascii_lowercase + string.digits
    marks = sorted(CHINESE_PUNCTUATION) + sorted(string.punctuation)
    tokens = [*SPECIAL, *marks, *pieces, *(f"##{piece}" for piece in pieces)]
    tokens += [word for word, _ in latin.most_common(LATIN_WORDS)]
    ranked = [character for character, _ in hanzi.most_common()]
    level_1 = [character for character in gb2312_level_1() if character not in hanzi]
    tokens += ranked if size - len(tokens) <= len(level_1) else _with(ranked, level_1, size - len(tokens))
    return Vocabulary(tuple(tokens[:size]))


def _with(ranked: list[str], level_1: list[str], room: int) -> list[str]:
    """Keep every level-1 character: those the texts lack replace the rarest ones."""
    basic = set(gb2312_level_1())
    rare = [character for character in ranked if character not in basic]
    common = [character for character in ranked if character in basic]
    room -= len(common) + len(level_1)
    return [*common, *level_1, *rare[: max(room, 0)]]


def gb2312_level_1() -> list[str]:
    """The 3,755 common characters of GB 2312-80, rows 16 to 55 (row 55 ends at cell 89)."""
    cells = ((row, cell) for row in range(16, 56) for cell in range(1, 95) if row < 55 or cell < 90)  # noqa: PLR2004
    return [bytes((row + 0xA0, cell + 0xA0)).decode("gb2312") for row, cell in cells]


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

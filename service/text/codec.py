"""From text to token ids and back, by the model folder's own tokenizer."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from tokenizers import BertWordPieceTokenizer, Tokenizer
from tokenizers.models import WordPiece

from service.errors import UnsupportedModel

CONTINUATION = "##"
_FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json")
_MASK = "[MASK]"
_UNUSED = re.compile(r"\[unused\d+\]")


@dataclass(frozen=True)
class Mask:
    """A mask: its position among the tokens, and where it stands in the text, in code points."""

    position: int
    start: int
    end: int


@dataclass(frozen=True)
class Encoded:
    """Token ids of one text, [CLS] and [SEP] included, and its masks."""

    ids: tuple[int, ...]
    masks: tuple[Mask, ...]


class Codec:
    """A tokenizer that truncates and pads nothing; safe to use from many threads.

    ``limit`` is the number of tokens the model has positions for.
    """

    def __init__(self, tokenizer: Tokenizer, *, mask_token: str, limit: int) -> None:
        mask_id = tokenizer.token_to_id(mask_token)
        if mask_id is None:
            raise UnsupportedModel(
                seen=f"a tokenizer without {mask_token}",
                needed="a mask token",
                do="use a BERT tokenizer with its special tokens",
            )
        # Both are state of the tokenizer; changing them per call is what breaks under threads.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._mask_id = mask_id
        self.mask_token = mask_token
        self.limit = limit
        self.unspeakable = frozenset(_special_ids(tokenizer))

    @classmethod
    def load(cls, folder: Path, limit: int) -> "Codec":
        """Read tokenizer.json, or vocab.txt with tokenizer_config.json, from a model folder.

        Raises:
            UnsupportedModel: The files cannot be read, or there is no mask token.
        """
        config = read_json(folder / "tokenizer_config.json")
        try:
            key = _fingerprint(folder, limit)
            # Versions of a model mostly share their words: those are read once.
            codec = _loaded.get(key) or cls(
                _tokenizer(folder, config), mask_token=_mask_token(config), limit=limit
            )
            return _loaded.setdefault(key, codec)
        except UnsupportedModel:
            raise
        except Exception as error:  # the tokenizers library raises bare exceptions
            raise UnsupportedModel(
                seen=f"a tokenizer in {folder} that cannot be read ({error})",
                needed="tokenizer.json or vocab.txt of a BERT",
                do="fetch the model again",
            ) from error

    @property
    def size(self) -> int:
        """How many tokens there are."""
        size: int = self._tokenizer.get_vocab_size(with_added_tokens=True)
        return size

    def encode(self, text: str) -> Encoded:
        """Return the ids and masks of a text, however long it is."""
        encoding = self._tokenizer.encode(text)
        masks = (
            Mask(position, *encoding.offsets[position])
            for position, token in enumerate(encoding.ids)
            if token == self._mask_id
        )
        return Encoded(tuple(encoding.ids), tuple(masks))

    def ids_of(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text without [CLS] and [SEP]; a token's own name, as in ##a, is that token."""
        known = self._tokenizer.token_to_id(text)
        if known is not None:
            return (known,)
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return tuple(encoding.ids)

    def token(self, token_id: int) -> str | None:
        """Return the token of an id; None for an id that no token has, and for special tokens."""
        if token_id in self.unspeakable:
            return None
        token: str | None = self._tokenizer.id_to_token(token_id)
        return token


_loaded: WeakValueDictionary[tuple[int, bytes], Codec] = WeakValueDictionary()


def _fingerprint(folder: Path, limit: int) -> tuple[int, bytes]:
    """Return the same for folders with the same tokenizer."""
    paths = (folder / name for name in _FILES)
    content = hashlib.blake2b()
    for path in paths:
        read = path.read_bytes() if path.exists() else b""
        content.update(b"%d:" % len(read) + read)
    return limit, content.digest()


def read_json(path: Path) -> Mapping[str, Any]:
    """Return a JSON object from a file, or an empty one where there is no file.

    Raises:
        UnsupportedModel: The file is not a JSON object.
    """
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnsupportedModel(
            seen=f"{path} with {error}", needed="a JSON object", do="fetch the model again"
        ) from error
    if not isinstance(content, dict):
        raise UnsupportedModel(
            seen=f"{path} with a {type(content).__name__}", needed="a JSON object", do="fetch the model again"
        )
    return content


def _tokenizer(folder: Path, config: Mapping[str, Any]) -> Tokenizer:
    if (folder / "tokenizer.json").exists():
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    built = BertWordPieceTokenizer(
        WordPiece.read_file(str(folder / "vocab.txt")),
        lowercase=config.get("do_lower_case", True),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=config.get("tokenize_chinese_chars", True),
        mask_token=_mask_token(config),
    )
    return Tokenizer.from_str(built.to_str())


def _mask_token(config: Mapping[str, Any]) -> str:
    token = config.get("mask_token", _MASK)
    return str(token["content"] if isinstance(token, dict) else token)


def _special_ids(tokenizer: Tokenizer) -> set[int]:
    special = {token_id for token_id, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    unused = {token_id for token, token_id in tokenizer.get_vocab().items() if _UNUSED.fullmatch(token)}
    return special | unused

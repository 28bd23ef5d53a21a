"""What tasks need of a tokenizer, and one that does nothing twice."""

from functools import cache
from typing import Protocol

from service.text.codec import Encoded


class Tokenizer(Protocol):
    """Turns text into token ids and back; see `service.text.codec.Codec`."""

    @property
    def mask_token(self) -> str:
        """What stands for a mask in a text."""

    @property
    def limit(self) -> int:
        """How many tokens the model has positions for."""

    @property
    def unspeakable(self) -> frozenset[int]:
        """The ids of special tokens."""

    def encode(self, text: str) -> Encoded:
        """Return the ids and masks of a text."""

    def ids_of(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text without [CLS] and [SEP]."""

    def token(self, token_id: int) -> str | None:
        """Return the token of an id; None for special tokens."""


class Once:
    """A tokenizer for one request: each of its texts is encoded once, whoever asks, and each target too."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.encode = cache(tokenizer.encode)
        self.ids_of = cache(tokenizer.ids_of)
        self.mask_token = tokenizer.mask_token
        self.limit = tokenizer.limit
        self.unspeakable = tokenizer.unspeakable
        self.token = tokenizer.token

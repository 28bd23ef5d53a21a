"""Documents as arrays of token numbers with word starts, ready for cutting windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

from training.documents import Document
from training.vocabulary import SEP

Tokens = npt.NDArray[np.uint16]
Flags = npt.NDArray[np.bool_]
Offsets = npt.NDArray[np.int64]
CHUNK = 4096


@dataclass(frozen=True)
class Encoded:
    """Sentences of one domain end to end.

    `ids` and `starts` (is this token the first of a word?) have one item a token, `offsets` the
    first token of each sentence and, last, the number of tokens. A [SEP] after the last sentence
    of each document belongs to that sentence.
    """

    ids: Tokens
    starts: Flags
    offsets: Offsets

    @property
    def lengths(self) -> Offsets:
        """Tokens of each sentence."""
        return np.diff(self.offsets)

    def sentence(self, number: int) -> tuple[Tokens, Flags]:
        """One sentence without a closing [SEP]."""
        begin, end = self.offsets[number], self.offsets[number + 1]
        end -= int(self.ids[end - 1] == SEP)
        return self.ids[begin:end], self.starts[begin:end]


def encode(documents: Iterable[Document], tokenizer: BertWordPieceTokenizer) -> Encoded:
    """Encode all sentences; word boundaries are carried over to the tokens."""
    flat = [(words, last) for d in documents for words, last in _mark_last(d.sentences)]
    ids: list[int] = []
    starts: list[bool] = []
    offsets = [0]
    for begin in range(0, len(flat), CHUNK):
        part = flat[begin : begin + CHUNK]
        encodings = tokenizer.encode_batch(["".join(words) for words, _ in part], add_special_tokens=False)
        for (words, last), encoding in zip(part, encodings, strict=True):
            first = {0, *accumulate(map(len, words))}
            ids += encoding.ids
            starts += [begin_of in first for begin_of, _ in encoding.offsets]
            if last:
                ids.append(SEP)
                starts.append(True)
            offsets.append(len(ids))
    return Encoded(np.array(ids, np.uint16), np.array(starts, np.bool_), np.array(offsets, np.int64))


def _mark_last(sentences: Sequence[tuple[str, ...]]) -> Iterable[tuple[tuple[str, ...], bool]]:
    return ((words, number == len(sentences)) for number, words in enumerate(sentences, 1))


def save(path: Path, domains: dict[str, Encoded]) -> None:
    """Write all domains into one .npz file."""
    arrays = {
        f"{name}.{part}": getattr(e, part)
        for name, e in domains.items()
        for part in ("ids", "starts", "offsets")
    }
    np.savez(path, **arrays)


def load(path: Path) -> dict[str, Encoded]:
    """Read what `save` wrote."""
    with np.load(path) as file:
        names = dict.fromkeys(name.partition(".")[0] for name in file)
        return {n: Encoded(file[f"{n}.ids"], file[f"{n}.starts"], file[f"{n}.offsets"]) for n in names}

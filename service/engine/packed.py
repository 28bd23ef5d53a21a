"""The OpenVINO engine: packed texts through a converted model. Needs no torch.

`service.engine.convert` makes the files that this engine loads.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np

from service.engine import Array, Item, Want
from service.engine.conversion import Conversion
from service.engine.packing import Pack, passes
from service.engine.runtime import ov
from service.errors import UnsupportedModel

ENCODER, HEAD = "encoder.xml", "head.xml"
_CACHE = {"CACHE_MODE": "OPTIMIZE_SIZE"}
"""OpenVINO keeps the graph as it compiled it, 1 MB without weights: loading again takes a third."""
_HEAD_ROWS = 64
"""Masked tokens in one pass of the head: each takes as many floats as there are words."""


class PackedEngine:
    """Computes packed batches, all threads on one pass."""

    def __init__(self, conversion: Conversion, encoder: ov.CompiledModel, head: ov.CompiledModel) -> None:
        self._conversion = conversion
        self._encoder = encoder.create_infer_request()
        self._head = head.create_infer_request()

    @property
    def positions(self) -> int:
        """How many tokens a text may have, [CLS] and [SEP] included."""
        return self._conversion.positions

    @property
    def vocabulary(self) -> int:
        """How many token ids there are."""
        return self._conversion.vocabulary

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Load a converted model and compute with ``threads`` threads.

        Raises:
            UnsupportedModel: The folder holds no whole conversion.
        """
        conversion = Conversion.read(folder)
        core = ov.Core()
        if os.access(folder, os.W_OK):
            core.set_property(_CACHE | {"CACHE_DIR": str(folder / "compiled")})
        try:
            return cls(
                conversion,
                core.compile_model(folder / ENCODER, "CPU", options(conversion.precision, threads)),
                core.compile_model(folder / HEAD, "CPU", options("f32", threads)),
            )
        except RuntimeError as error:
            raise UnsupportedModel(
                seen=f"a conversion in {folder} that cannot be loaded ({error})",
                needed="the files as they were converted",
                do="delete the folder and convert the model again",
            ) from error

    def run(self, items: Sequence[Item]) -> Sequence[Array]:
        """Return one array an item, in their order."""
        answers: dict[int, Array] = {}
        for indices in passes([len(item.ids) for item in items]):
            answers.update(zip(indices, self._pass([items[index] for index in indices]), strict=True))
        return [answers[index] for index in range(len(items))]

    def _pass(self, items: Sequence[Item]) -> Iterator[Array]:
        pack = Pack.of([item.ids for item in items])
        states = self._encode(pack)
        texts = [states[pack.text(index)] for index in range(len(items))]
        asked = [list(item.positions) if item.want is Want.LOGITS else [] for item in items]
        scores = self._scores(np.concatenate([text[rows] for text, rows in zip(texts, asked, strict=True)]))
        ends = np.cumsum([0, *map(len, asked)])
        for item, text, (start, end) in zip(items, texts, pairwise(ends), strict=True):
            match item.want:
                case Want.LOGITS:
                    yield scores[start:end]
                case Want.FIRST:
                    yield text[0].copy()
                case Want.MEAN:
                    yield text[1:-1].mean(axis=0)
                case Want.MAX:
                    yield text[1:-1].max(axis=0)
                case Want.MAX:
                    yield text[1:-1].max(axis=0)

    def _encode(self, pack: Pack) -> Array:
        """Return the last hidden states, (tokens, width); the next call writes over them."""
        return _infer(self._encoder, feeds(pack))

    def _scores(self, states: Array) -> Array:
        """Return scores over the vocabulary, (tokens, vocabulary)."""
        scores = np.empty((len(states), self.vocabulary), dtype=np.float32)
        for start in range(0, len(states), _HEAD_ROWS):
            rows = slice(start, start + _HEAD_ROWS)
            scores[rows] = _infer(self._head, {"state": states[rows]})
        return scores


def feeds(pack: Pack) -> Mapping[str, np.ndarray]:
    """Return the encoder's inputs by name."""
    return {
        "ids": pack.ids,
        "positions": pack.positions,
        "rows": pack.rows,
        "kept": pack.kept,
        "mask": pack.mask,
    }


def options(precision: str, threads: int) -> Mapping[str, object]:
    """Return what OpenVINO is told: one request at a time, with all threads."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
    }


def _infer(request: ov.InferRequest, inputs: Mapping[str, np.ndarray]) -> Array:
    result: Array = request.infer(inputs, share_inputs=True, share_outputs=True)[0]
    return result

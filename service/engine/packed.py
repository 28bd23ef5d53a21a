"""The OpenVINO engine: packed texts through a converted model, or through one that was not.

`service.engine.convert` makes the files that this engine loads; `service.engine.unconverted` does without.
"""

import mmap
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np

from service.engine import Array, Item, Want
from service.engine.conversion import Conversion, unusable
from service.engine.pace import heavy
from service.engine.packing import INPUTS, Pack, passes
from service.engine.runtime import ov

ENCODER, HEAD = "encoder.blob", "head.blob"
"""Graphs as OpenVINO compiled them, weights included."""
_HEAD_ROWS = 64
"""Masked tokens in one pass of the head: each takes as many floats as there are words."""
_SHAPES = 200
"""For so many shapes OpenVINO keeps what it compiled for an operation. By default it is 5,000, and each
new length of a batch costs memory for good: 300 MiB after 600 batches of an 11 MB model, and growing."""


class PackedEngine:
    """Computes packed batches, all threads on one pass."""

    def __init__(self, positions: int, vocabulary: int, encoder: "Graph", head: "Graph") -> None:
        self._positions = positions
        self._vocabulary = vocabulary
        self._encoder = encoder
        self._head = head

    @property
    def positions(self) -> int:
        """How many tokens a text may have, [CLS] and [SEP] included."""
        return self._positions

    @property
    def vocabulary(self) -> int:
        """How many token ids there are."""
        return self._vocabulary

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Load a converted model, to compute with ``threads`` threads; its files stay mapped.

        Raises:
            UnsupportedModel: The folder holds no whole conversion, or one that this OpenVINO cannot use.
        """
        conversion = Conversion.read(folder)
        for name in conversion.files.keys() - {ENCODER, HEAD}:
            conversion.check(folder, name)
        with ThreadPoolExecutor(1) as pool:
            head = pool.submit(copy_context().run, _head, folder, conversion, threads)
            encoder = Graph.load(folder, ENCODER, conversion, options(conversion.precision, threads))
            return cls(conversion.positions, conversion.vocabulary, encoder, head.result())

    def run(self, items: Sequence[Item]) -> Sequence[Array]:
        """Return one array an item, in their order."""
        answers: dict[int, Array] = {}
        for indices in passes([len(item.ids) for item in items]):
            answers.update(zip(indices, self._pass([items[index] for index in indices]), strict=True))
        return [answers[index] for index in range(len(items))]

    def _pass(self, items: Sequence[Item]) -> Iterator[Array]:
        pack = Pack.of([item.ids for item in items], [_wanted(item) for item in items])
        states = self._encoder.infer(feeds(pack))
        texts = [states[pack.text(index)] for index in range(len(items))]
        rows = [len(item.positions) if item.want is Want.LOGITS else 0 for item in items]
        asked = [text[:number] for number, text in zip(rows, texts, strict=True)]
        scores = self._scores(np.concatenate(asked))
        ends = np.cumsum([0, *map(len, asked)])
        for item, text, (start, end) in zip(items, texts, pairwise(ends), strict=True):
            match item.want:
                case Want.LOGITS:
                    yield scores[start:end]
                case Want.FIRST:
                    yield text[0].copy()
                case Want.MEAN:
                    yield text.mean(axis=0)
                case Want.MAX:
                    yield text.max(axis=0)

    def _scores(self, states: Array) -> Array:
        """Return scores over the vocabulary, (tokens, vocabulary)."""
        scores = np.empty((len(states), self.vocabulary), dtype=np.float32)
        for start in range(0, len(states), _HEAD_ROWS):
            rows = slice(start, start + _HEAD_ROWS)
            scores[rows] = self._head.infer({"state": states[rows]})
        return scores


def feeds(pack: Pack) -> Mapping[str, np.ndarray]:
    """Return the encoder's inputs by name."""
    return {name: getattr(pack, name) for name in INPUTS}


def _wanted(item: Item) -> Sequence[int]:
    """Return the places in a text whose states are wanted."""
    match item.want:
        case Want.LOGITS:
            return item.positions or (0,)  # the graph takes one at least
        case Want.FIRST:
            return (0,)
        case Want.MEAN | Want.MAX:
            return range(1, len(item.ids) - 1)


def options(precision: str, threads: int) -> Mapping[str, object]:
    """Return what OpenVINO is told: one request at a time, with all threads."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        "CPU_RUNTIME_CACHE_CAPACITY": _SHAPES,
    }


class Graph:
    """A compiled graph, and the mapped file that it reads its weights from, if there is one."""

    def __init__(self, request: ov.InferRequest, content: mmap.mmap | None = None) -> None:
        self._request = request
        self._content = content
        self._is_new = True

    @classmethod
    def load(cls, folder: Path, name: str, conversion: Conversion, told: Mapping[str, object]) -> Self:
        """Map, check and load one of a conversion's graphs.

        Raises:
            UnsupportedModel: It is not what was written, or this OpenVINO cannot use it.
        """
        try:
            content = _mapped(folder / name)
        except (OSError, ValueError) as error:  # nobody can map an empty file
            raise unusable(folder, f"{name} that cannot be mapped ({error})") from error
        conversion.check(folder, name, content)
        blob = ov.Tensor(np.frombuffer(content, np.uint8), shared_memory=True)
        try:
            return cls(heavy(ov.Core().import_model, blob, "CPU", told).create_infer_request(), content)
        except RuntimeError as error:
            raise unusable(folder, f"{name} that cannot be loaded ({error})") from error

    @property
    def width(self) -> int:
        """The last dimension of the first input."""
        return int(self._request.input_tensors[0].data.shape[-1])

    def infer(self, inputs: Mapping[str, np.ndarray]) -> Array:
        """Return the output; the next call writes over it."""
        result: Array = self._request.infer(inputs, share_inputs=True, share_outputs=True)[0]
        if self._content and self._is_new:  # the weights are laid out for the CPU now; what is read again
            self._content.madvise(mmap.MADV_DONTNEED)  # comes from the file
            self._is_new = False
        return result


def _head(folder: Path, conversion: Conversion, threads: int) -> Graph:
    """Load the head, and compute with it once: that lays out its weights while the encoder is loaded."""
    head = Graph.load(folder, HEAD, conversion, options("f32", threads))
    heavy(head.infer, {"state": np.zeros((1, head.width), np.float32)})
    return head


def _mapped(path: Path) -> mmap.mmap:
    """Map a file; OpenVINO's tensors ask for memory that could be written to, so it is a private copy."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)

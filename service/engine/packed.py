"""The OpenVINO engine: packed texts through a converted model. Needs no torch.

`service.engine.convert` makes the files that this engine loads.
"""

import mmap
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from service.engine import Array, Item, Want
from service.engine.center import require_numbers
from service.engine.conversion import Conversion, unusable
from service.engine.packing import INPUTS, Pack, passes

if TYPE_CHECKING:
    from service.engine.runtime import ov

ENCODER, HEAD = "encoder.blob", "head.blob"
"""Graphs as OpenVINO compiled them, weights included."""
_HEAD_ROWS = 64
"""Masked tokens in one pass of the head: each takes as many floats as there are words."""
_SHAPES = 200
"""For so many shapes OpenVINO keeps what it compiled for an operation. By default it is 5,000, and each
new length of a batch costs memory for good: 300 MiB after 600 batches of an 11 MB model, and growing."""
_WARMING = (0,) * 24
"""Any token will do: the layout of the weights does not depend on what is computed."""


class PackedEngine:
    """Computes packed batches, all threads on one pass."""

    def __init__(
        self,
        conversion: Conversion,
        encoder: "ov.CompiledModel",
        head: "ov.CompiledModel",
        maps: Sequence[mmap.mmap] = (),
    ) -> None:
        self._conversion = conversion
        self._maps = maps  # the graphs read their weights from there
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
        """Load and warm a converted model, to compute with ``threads`` threads; its files stay mapped.

        Raises:
            UnsupportedModel: The folder holds no whole conversion, or one that this OpenVINO cannot use,
                or it computes something that is no number.
        """
        conversion = Conversion.read(folder)
        with ThreadPoolExecutor(1) as pool:
            whole = pool.submit(conversion.check, folder)
            # Imported here: it takes as long as the files are checked.
            from service.engine.runtime import ov  # noqa: PLC0415

            core = ov.Core()
            whole.result()
        maps = [_mapped(folder / name) for name in (ENCODER, HEAD)]
        try:
            encoder, head = (
                core.import_model(ov.Tensor(np.frombuffer(each, np.uint8), shared_memory=True), "CPU", told)
                for each, told in zip(
                    maps, (options(conversion.precision, threads), options("f32", threads)), strict=True
                )
            )
        except RuntimeError as error:
            raise unusable(folder, f"a graph that cannot be loaded ({error})") from error
        engine = cls(conversion, encoder, head, maps)
        engine._warm()
        return engine

    def _warm(self) -> None:
        """Compute once, which lays out the weights for the CPU, then let go of the pages they came from."""
        width = self._head.input_tensors[0].data.shape[1]
        with ThreadPoolExecutor(1) as pool:
            scores = pool.submit(self._scores, np.zeros((1, width), np.float32))
            (vector,) = self.run([Item(_WARMING, Want.FIRST)])
            require_numbers(vector)
            require_numbers(scores.result())
        for each in self._maps:
            each.madvise(mmap.MADV_DONTNEED)  # whatever is read again comes back from the file

    def run(self, items: Sequence[Item]) -> Sequence[Array]:
        """Return one array an item, in their order."""
        answers: dict[int, Array] = {}
        for indices in passes([len(item.ids) for item in items]):
            answers.update(zip(indices, self._pass([items[index] for index in indices]), strict=True))
        return [answers[index] for index in range(len(items))]

    def _pass(self, items: Sequence[Item]) -> Iterator[Array]:
        pack = Pack.of([item.ids for item in items], [_wanted(item) for item in items])
        states = _infer(self._encoder, feeds(pack))
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
            scores[rows] = _infer(self._head, {"state": states[rows]})
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


def _infer(request: "ov.InferRequest", inputs: Mapping[str, np.ndarray]) -> Array:
    result: Array = request.infer(inputs, share_inputs=True, share_outputs=True)[0]
    return result


def _mapped(path: Path) -> mmap.mmap:
    """Map a file; OpenVINO's tensors ask for memory that could be written to, so it is a private copy."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)

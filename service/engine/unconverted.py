"""The OpenVINO engine from a model's own weights, in float32: it computes where nothing was converted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from service.engine import Item, Want
from service.engine.graph import Encoder, head, linears
from service.engine.pace import heavy
from service.engine.packed import Graph, PackedEngine, options
from service.engine.runtime import ov
from service.engine.weights import EMBEDDINGS, Shape, fitting, read_weights


def load(folder: Path, threads: int) -> PackedEngine:
    """Read the model in ``folder``, to compute with ``threads`` threads.

    Raises:
        UnsupportedModel: It is no BERT with a masked-language-model head, or lacks tensors.
    """
    shape, weights = Shape.read(folder), heavy(read_weights, folder)
    with fitting(folder), ThreadPoolExecutor(1) as pool:
        last = pool.submit(copy_context().run, _compiled, lambda: head(shape, weights), threads)
        encoder = _compiled(lambda: Encoder(shape, weights, linears(shape, weights)).build(), threads)
        engine = PackedEngine(shape.positions, len(weights[EMBEDDINGS]), encoder, last.result())
        heavy(engine.run, [Item(ids=(0, 0, 0), want=Want.LOGITS, positions=(1,))])
    return engine


def _compiled(build: Callable[[], ov.Model], threads: int) -> Graph:
    compiled = heavy(ov.Core().compile_model, build(), "CPU", options("f32", threads))
    return Graph(compiled.create_infer_request())

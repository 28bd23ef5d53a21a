"""A BERT as OpenVINO graphs: the encoder over packed texts, and the head over single tokens.

Written against the published architecture (Devlin et al. 2018, post-layer-norm). See
`service.engine.packing` for the inputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from service.engine import Array
from service.engine.packing import INPUTS
from service.engine.quantise import STEPS, Float, Linear, Quantised
from service.engine.runtime import op, ov
from service.engine.weights import EMBEDDINGS, Shape

Weights = Mapping[str, Array]
PARTS = ("fused", "out", "up", "down")
"""The linear layers of a transformer layer; `fused` makes queries, keys and values in one."""

_ACTIVATIONS: Mapping[str, Callable[[ov.Node], ov.Node]] = {
    "gelu": partial(op.gelu, approximation_mode="erf"),
    "gelu_new": partial(op.gelu, approximation_mode="tanh"),
    "gelu_pytorch_tanh": partial(op.gelu, approximation_mode="tanh"),
    "relu": op.relu,
}


def linears(shape: Shape, weights: Weights) -> dict[str, Float]:
    """Return the encoder's linear layers under the names ``<layer>.<part>`` (see `PARTS`)."""
    found: dict[str, Float] = {}
    for layer in range(shape.layers):
        name = f"encoder.layer.{layer}"
        whole = [f"{name}.attention.self.{which}" for which in ("query", "key", "value")]
        parts = (
            whole,
            [f"{name}.attention.output.dense"],
            [f"{name}.intermediate.dense"],
            [f"{name}.output.dense"],
        )
        for part, names in zip(PARTS, parts, strict=True):
            found[f"{layer}.{part}"] = Float(
                np.concatenate([weights[f"{each}.weight"] for each in names]),
                np.concatenate([weights[f"{each}.bias"] for each in names]),
            )
    return found


@dataclass(frozen=True)
class _Asked:
    """Which tokens look along their texts: where they stand beside the rows, and under which mask."""

    rows: ov.Node
    kept: ov.Node
    mask: ov.Node


@dataclass
class Encoder:
    """Builds the encoder; ``inputs`` are the graph's nodes that feed the linear layers, by name."""

    shape: Shape
    weights: Weights
    layers: Mapping[str, Linear]
    inputs: dict[str, ov.Node] = field(default_factory=dict)

    def build(self) -> ov.Model:
        """Return a graph from `INPUTS` to the last hidden states of the wanted tokens, (wanted, width)."""
        given = {name: op.parameter(size, kind, name=name) for name, (size, kind) in INPUTS.items()}
        everything = _Asked(given["rows"], given["kept"], given["mask"])
        wanted = _Asked(given["asked"], given["answered"], given["asked_mask"])
        state = self._embed(given["ids"], given["positions"])
        for layer in range(self.shape.layers - 1):
            state = self._layer(layer, state, state, given["rows"], everything)
        chosen = _gather(state, given["wanted"])
        state = self._layer(self.shape.layers - 1, state, chosen, given["rows"], wanted)
        return ov.Model([op.result(state)], list(given.values()), "encoder")

    def _layer(self, layer: int, state: ov.Node, chosen: ov.Node, rows: ov.Node, asked: "_Asked") -> ov.Node:
        """Return the next states of the chosen tokens, given all."""
        name = f"encoder.layer.{layer}"
        mixed = self._attend(self._linear(state, f"{layer}.fused"), rows, asked)
        attended = op.add(self._linear(mixed, f"{layer}.out"), chosen)
        state = self._norm(attended, f"{name}.attention.output.LayerNorm")
        raised = _ACTIVATIONS[self.shape.activation](self._linear(state, f"{layer}.up"))
        return self._norm(op.add(self._linear(raised, f"{layer}.down"), state), f"{name}.output.LayerNorm")

    def _embed(self, ids: ov.Node, positions: ov.Node) -> ov.Node:
        places = (
            self.weights["embeddings.position_embeddings.weight"]
            + self.weights["embeddings.token_type_embeddings.weight"][0]
        )
        words = _gather(_constant(self.weights[EMBEDDINGS]), ids)
        return self._norm(op.add(words, _gather(_constant(places), positions)), "embeddings.LayerNorm")

    def _attend(self, fused: ov.Node, rows: ov.Node, asked: "_Asked") -> ov.Node:
        heads, width = self.shape.heads, fused.get_output_partial_shape(0)[1].get_length() // 3
        split = op.variadic_split(fused, _integers(1), _integers([width] * 3))
        query, key, value = (
            op.transpose(
                op.reshape(_gather(part, where), _integers([0, 0, heads, width // heads]), special_zero=True),
                _integers([0, 2, 1, 3]),
            )
            for part, where in zip(split.outputs(), (asked.rows, rows, rows), strict=True)
        )
        scale = _constant(np.float32((width // heads) ** -0.5))
        mixed = op.scaled_dot_product_attention(query, key, value, asked.mask, scale, causal=False)
        rejoined = op.reshape(
            op.transpose(mixed, _integers([0, 2, 1, 3])), _integers([-1, width]), special_zero=False
        )
        return _gather(rejoined, asked.kept)

    def _linear(self, state: ov.Node, name: str) -> ov.Node:
        self.inputs[name] = state
        return linear(state, self.layers[name])

    def _norm(self, state: ov.Node, name: str) -> ov.Node:
        return norm(state, self.weights, name, self.shape.epsilon)


def head(shape: Shape, weights: Weights) -> ov.Model:
    """Return a graph from hidden states (tokens, width) to scores over the vocabulary."""
    transform, decoder = (
        Float(weights[f"{name}.weight"], weights[f"{name}.bias"])
        for name in ("cls.predictions.transform.dense", "cls.predictions.decoder")
    )
    state = op.parameter([-1, weights[EMBEDDINGS].shape[1]], np.float32, name="state")
    raised = _ACTIVATIONS[shape.activation](linear(state, transform))
    normed = norm(raised, weights, "cls.predictions.transform.LayerNorm", shape.epsilon)
    return ov.Model([op.result(linear(normed, decoder))], [state], "head")


def linear(state: ov.Node, layer: Linear) -> ov.Node:
    """Apply a linear layer to (tokens, inputs)."""
    match layer:
        case Float():
            weight = _constant(layer.weight)
        case Quantised():
            low, high = layer.low[None], (layer.low + STEPS * layer.step)[None]
            ends = [_constant(end) for end in (low, high, np.float32(0), np.float32(STEPS))]
            state = op.fake_quantize(state, *ends, levels=STEPS + 1)
            weight = op.multiply(op.convert(op.constant(layer.levels), "f32"), _constant(layer.scale))
    product = op.matmul(state, weight, transpose_a=False, transpose_b=True)
    return op.add(product, _constant(layer.bias))


def norm(state: ov.Node, weights: Weights, name: str, epsilon: float) -> ov.Node:
    """Apply a layer norm to (tokens, width)."""
    normed = op.mvn(state, _integers([-1]), normalize_variance=True, eps=epsilon, eps_mode="INSIDE_SQRT")
    scaled = op.multiply(normed, _constant(weights[f"{name}.weight"]))
    return op.add(scaled, _constant(weights[f"{name}.bias"]))


def _constant(values: Array | np.float32) -> ov.Node:
    return op.constant(np.asarray(values, np.float32, order="C"), shared_memory=True)


def _integers(values: int | Sequence[int]) -> ov.Node:
    return op.constant(np.asarray(values, dtype=np.int64))


def _gather(data: ov.Node, rows: ov.Node) -> ov.Node:
    return op.gather(data, rows, op.constant(np.int32(0)))

"""What other engines are judged by: a BERT in numpy and float32, one text after the other.

Written against the published architecture (Devlin et al. 2018, post-layer-norm) with nothing but matrix
products, and so apart from all that it judges: neither OpenVINO nor torch has a part in it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import numpy as np
from scipy.special import erf

from service.engine import Array, Item, Want
from service.engine.weights import EMBEDDINGS, Shape, fitting, read_weights

_TANH = np.float32(np.sqrt(2 / np.pi))


def _tanh_gelu(x: Array) -> Array:
    y: Array = 0.5 * x * (1 + np.tanh(_TANH * (x + 0.044715 * x**3)))
    return y


_ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "gelu": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2, dtype=np.float32))),
    "gelu_new": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "relu": lambda x: np.maximum(x, 0),
}


class Reference:
    """Computes a BERT with a masked-language-model head; texts share nothing but threads."""

    def __init__(self, shape: Shape, weights: Mapping[str, Array], threads: int) -> None:
        """Take weights as `service.engine.weights.read_weights` makes them."""
        self._shape = shape
        self._weights = weights
        self._threads = threads
        self._activate = _ACTIVATIONS[shape.activation]

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Read the model in ``folder``, to compute with ``threads`` threads.

        Raises:
            UnsupportedModel: It is no BERT with a masked-language-model head, or lacks tensors.
        """
        reference = cls(Shape.read(folder), read_weights(folder), threads)
        with fitting(folder):
            reference.run([Item(ids=(0, 0, 0), want=Want.LOGITS, positions=(1,))])
        return reference

    @property
    def weights(self) -> Mapping[str, Array]:
        """All tensors by name, see `service.engine.weights.read_weights`."""
        return self._weights

    @property
    def positions(self) -> int:
        """How many tokens a text may have."""
        return self._shape.positions

    @property
    def vocabulary(self) -> int:
        """How many token ids there are."""
        return len(self._weights[EMBEDDINGS])

    def run(self, items: Sequence[Item]) -> Sequence[Array]:
        """Return one array an item."""
        with ThreadPoolExecutor(self._threads) as pool:
            return list(pool.map(self._answer, items))

    def _answer(self, item: Item) -> Array:
        states = self._states(item.ids)
        match item.want:
            case Want.LOGITS:
                return self._head(states[list(item.positions)])
            case Want.FIRST:
                vector: Array = states[0]
            case Want.MEAN:
                vector = states[1:-1].mean(axis=0)
            case Want.MAX:
                vector = states[1:-1].max(axis=0)
        return vector

    def _states(self, ids: Sequence[int]) -> Array:
        """Return the last hidden states, (tokens, width)."""
        state = (
            self._weights[EMBEDDINGS][list(ids)]
            + self._weights["embeddings.position_embeddings.weight"][: len(ids)]
            + self._weights["embeddings.token_type_embeddings.weight"][0]
        )
        state = self._norm(state, "embeddings.LayerNorm")
        for layer in range(self._shape.layers):
            state = self._layer(state, f"encoder.layer.{layer}")
        return state

    def _layer(self, state: Array, name: str) -> Array:
        attended = self._linear(
            self._attend(state, f"{name}.attention.self"), f"{name}.attention.output.dense"
        )
        state = self._norm(state + attended, f"{name}.attention.output.LayerNorm")
        raised = self._activate(self._linear(state, f"{name}.intermediate.dense"))
        return self._norm(state + self._linear(raised, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attend(self, state: Array, name: str) -> Array:
        query, key, value = (
            self._linear(state, f"{name}.{part}").reshape(len(state), self._shape.heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1], dtype=np.float32)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed: Array = shares / shares.sum(axis=-1, keepdims=True) @ value
        return mixed.swapaxes(0, 1).reshape(state.shape)

    def _head(self, state: Array) -> Array:
        state = self._activate(self._linear(state, "cls.predictions.transform.dense"))
        return self._linear(
            self._norm(state, "cls.predictions.transform.LayerNorm"), "cls.predictions.decoder"
        )

    def _linear(self, state: Array, name: str) -> Array:
        return state @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, state: Array, name: str) -> Array:
        centred = state - state.mean(axis=-1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(self._shape.epsilon))
        normed: Array = centred / spread
        return normed * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]

"""The torch engine: a BERT encoder in float32, and its head at the masks alone.

Written against the published architecture (Devlin et al. 2018, post-layer-norm) instead of through
transformers, whose model classes cost each pod another 120 MB and 1.6 s; a test compares the two.
It computes on a GPU where torch finds one, in float32 as well; that was not tried on a GPU yet.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import torch
from torch.nn import functional

from service.engine import Array, Item, Want
from service.engine.weights import Shape, read_weights
from service.errors import UnsupportedModel

_TOKENS_AT_ONCE = 2048
"""Padded tokens in one pass; bounds the memory of a batch."""
_PADDING = 1.25
"""Texts share a pass while the longest is at most this much longer than the shortest."""

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": lambda x: functional.gelu(x, approximate="tanh"),
    "gelu_pytorch_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "relu": functional.relu,
}


class TorchEngine:
    """Computes batches of a BERT with a masked-language-model head, on one device."""

    def __init__(
        self, shape: Shape, weights: dict[str, torch.Tensor], device: torch.device | None = None
    ) -> None:
        self._shape = shape
        self._device = device or best_device()
        fused = _fused(weights, shape.layers)
        self._weights = {name: weight.to(self._device) for name, weight in fused.items()}
        self._activate = _ACTIVATIONS[shape.activation]

    @classmethod
    def load(cls, folder: Path, threads: int) -> Self:
        """Read the model in ``folder`` and compute with ``threads`` threads.

        Raises:
            UnsupportedModel: It is no BERT with a masked-language-model head, or lacks tensors.
        """
        torch.set_num_threads(threads)
        shape, weights = Shape.read(folder), read_weights(folder)
        try:
            engine = cls(shape, weights)
            engine.run([Item(ids=(0, 0, 0), want=Want.LOGITS, positions=(1,))])
        except (KeyError, RuntimeError) as error:
            raise UnsupportedModel(
                seen=f"tensors in {folder} that do not fit ({error!r})",
                needed="a BERT with a masked-language-model head",
                do="save it as BertForMaskedLM",
            ) from error
        return engine

    @property
    def positions(self) -> int:
        """How many tokens a text may have."""
        return self._shape.positions

    @property
    def vocabulary(self) -> int:
        """How many token ids there are."""
        return self._weights["embeddings.word_embeddings.weight"].shape[0]

    def run(self, items: Sequence[Item]) -> Sequence[Array]:
        """Return one array an item; texts of like length share a pass."""
        answers: dict[int, Array] = {}
        with torch.inference_mode():
            for indices in passes([len(item.ids) for item in items]):
                hidden = self._encode([items[index].ids for index in indices])
                for row, index in enumerate(indices):
                    answers[index] = self._read(hidden[row], items[index])
        return [answers[index] for index in range(len(items))]

    def _read(self, hidden: torch.Tensor, item: Item) -> Array:
        match item.want:
            case Want.LOGITS:
                answer = self._head(hidden[list(item.positions)])
            case Want.FIRST:
                answer = hidden[0]
            case Want.MEAN:
                answer = hidden[1 : len(item.ids) - 1].mean(dim=0)
            case Want.MAX:
                answer = hidden[1 : len(item.ids) - 1].amax(dim=0)
        array: Array = answer.contiguous().cpu().numpy().copy()
        return array

    def _encode(self, texts: Sequence[tuple[int, ...]]) -> torch.Tensor:
        """Return the last hidden states: (texts, longest, hidden); rows past a text's end are noise."""
        lengths = [len(ids) for ids in texts]
        longest = max(lengths)
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in texts], device=self._device)
        visible = None
        if min(lengths) < longest:
            visible = (torch.arange(longest) < torch.tensor(lengths)[:, None])[:, None, None, :].to(
                self._device
            )
        state = self._embed(ids)
        for layer in range(self._shape.layers):
            state = self._layer(state, visible, f"encoder.layer.{layer}")
        return state

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        weights = self._weights
        state = functional.embedding(ids, weights["embeddings.word_embeddings.weight"])
        state = state + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        state = state + weights["embeddings.token_type_embeddings.weight"][0]
        return self._norm(state, "embeddings.LayerNorm")

    def _layer(self, state: torch.Tensor, visible: torch.Tensor | None, name: str) -> torch.Tensor:
        attended = self._linear(
            self._attend(state, visible, f"{name}.attention.self"), f"{name}.attention.output.dense"
        )
        state = self._norm(state + attended, f"{name}.attention.output.LayerNorm")
        raised = self._activate(self._linear(state, f"{name}.intermediate.dense"))
        return self._norm(state + self._linear(raised, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attend(self, state: torch.Tensor, visible: torch.Tensor | None, name: str) -> torch.Tensor:
        texts, length, width = state.shape
        split = self._linear(state, f"{name}.fused").view(texts, length, 3, self._shape.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return mixed.transpose(1, 2).reshape(texts, length, width)

    def _head(self, state: torch.Tensor) -> torch.Tensor:
        state = self._activate(self._linear(state, "cls.predictions.transform.dense"))
        return self._linear(
            self._norm(state, "cls.predictions.transform.LayerNorm"), "cls.predictions.decoder"
        )

    def _linear(self, state: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(state, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, state: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return functional.layer_norm(state, weight.shape, weight, bias, self._shape.epsilon)


def best_device() -> torch.device:
    """Return the first GPU that torch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def passes(lengths: Sequence[int]) -> list[list[int]]:
    """Group indices so that a pass pads little: sorted by length, within a range and a token budget."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[index]
        group = groups[-1] if groups else []
        fits = (len(group) + 1) * length <= _TOKENS_AT_ONCE
        if group and fits and length <= lengths[group[0]] * _PADDING:
            group.append(index)
        else:
            groups.append([index])
    return groups


def _fused(weights: dict[str, torch.Tensor], layers: int) -> dict[str, torch.Tensor]:
    """Join query, key and value into one matrix a layer, and tie the decoder where it is not stored."""
    for layer in range(layers):
        name = f"encoder.layer.{layer}.attention.self"
        for part in ("weight", "bias"):
            parts = [weights.pop(f"{name}.{which}.{part}") for which in ("query", "key", "value")]
            weights[f"{name}.fused.{part}"] = torch.cat(parts)
    head = "cls.predictions"
    weights.setdefault(f"{head}.decoder.weight", weights["embeddings.word_embeddings.weight"])
    weights.setdefault(f"{head}.decoder.bias", weights[f"{head}.bias"])
    return weights

"""The torch engine: a BERT encoder, and its head at the masks alone.

Written against the published architecture (Devlin et al. 2018, post-layer-norm) instead of through
transformers, whose model classes cost each pod another 120 MB and 1.6 s; a test compares the two.
It computes on a GPU where torch finds one, there also in half precision from a conversion
(`service.engine.half`); neither was tried on a GPU yet.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

import torch
from torch.nn import functional

from service.engine import Array, Item, Want
from service.engine.replay import TOKENS_AT_ONCE, Replays
from service.engine.weights import EMBEDDINGS, Shape, fitting, in_head, read_weights

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
        self,
        shape: Shape,
        weights: Mapping[str, torch.Tensor],
        device: torch.device | None = None,
        precision: torch.dtype = torch.float32,
        replays: Replays | None = None,
    ) -> None:
        """Take weights as `fused` makes them.

        The encoder computes in ``precision``; the head computes in float32, and so is what comes out.
        With ``replays`` the encoder's passes are padded to few sizes and recorded.
        """
        self._shape = shape
        self._device = device or best_device()
        self._weights = {
            name: weight.to(self._device).to(torch.float32 if in_head(name) else precision)
            for name, weight in weights.items()
        }
        self._activate = _ACTIVATIONS[shape.activation]
        self._replays = replays

    @classmethod
    def load(cls, folder: Path, threads: int, device: torch.device | None = None) -> Self:
        """Read the model in ``folder`` and compute in float32, on a CPU with ``threads`` threads.

        Raises:
            UnsupportedModel: It is no BERT with a masked-language-model head, or lacks tensors.
        """
        torch.set_num_threads(threads)
        shape, weights = Shape.read(folder), read_weights(folder)
        with fitting(folder):
            engine = cls(shape, fused(weights, shape.layers), device)
            engine.run([Item(ids=(0, 0, 0), want=Want.LOGITS, positions=(1,))])
        return engine

    @property
    def positions(self) -> int:
        """How many tokens a text may have."""
        return self._shape.positions

    @property
    def vocabulary(self) -> int:
        """How many token ids there are."""
        return self._weights[EMBEDDINGS].shape[0]

    def run(self, items: Sequence[Item]) -> Sequence[Array]:
        """Return one array an item; texts of like length share a pass."""
        answers: dict[int, Array] = {}
        with torch.inference_mode():
            for indices in passes([self._padded(len(item.ids)) for item in items]):
                together = [items[index] for index in indices]
                hidden = self._encode([item.ids for item in together])
                read = [self._read(row, item) for row, item in zip(hidden, together, strict=True)]
                answers.update(zip(indices, _arrays(read), strict=True))
        return [answers[index] for index in range(len(items))]

    def _padded(self, length: int) -> int:
        return self._replays.sizes.length(length) if self._replays else length

    def _read(self, hidden: torch.Tensor, item: Item) -> torch.Tensor:
        match item.want:
            case Want.LOGITS:
                return self._head(hidden[list(item.positions)])
            case Want.FIRST:
                return hidden[0]
            case Want.MEAN:
                return hidden[1 : len(item.ids) - 1].mean(dim=0)
            case Want.MAX:
                return hidden[1 : len(item.ids) - 1].amax(dim=0)

    def _encode(self, texts: Sequence[tuple[int, ...]]) -> torch.Tensor:
        """Return the last hidden states: (texts, longest, hidden); rows past a text's end are noise."""
        lengths = [len(ids) for ids in texts]
        longest = max(lengths)
        if self._replays and (size := self._replays.sizes.of(len(texts), longest)):
            states = self._replays.run(self._padded_states, *_laid_out(texts, *size))
            return states[: len(texts)].float()
        ids, ends = _laid_out(texts, len(texts), longest)
        visible = _visible(ends, longest).to(self._device) if min(lengths) < longest else None
        return self._states(ids.to(self._device), visible).float()

    def _padded_states(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return self._states(ids, _visible(lengths, ids.shape[1]))

    def _states(self, ids: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
        state = self._embed(ids)
        for layer in range(self._shape.layers):
            state = self._layer(state, visible, f"encoder.layer.{layer}")
        return state

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        weights = self._weights
        state = functional.embedding(ids, weights[EMBEDDINGS])
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


def fused(weights: dict[str, Array], layers: int) -> dict[str, torch.Tensor]:
    """Take the weights out, and join query, key and value into one matrix a layer."""
    tensors = {name: torch.from_numpy(weights.pop(name)) for name in list(weights)}
    for layer in range(layers):
        name = f"encoder.layer.{layer}.attention.self"
        for part in ("weight", "bias"):
            parts = [tensors.pop(f"{name}.{which}.{part}") for which in ("query", "key", "value")]
            tensors[f"{name}.fused.{part}"] = torch.cat(parts)
    return tensors


def best_device() -> torch.device:
    """Return the first GPU that torch can use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _laid_out(texts: Sequence[tuple[int, ...]], rows: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids (rows, width) and lengths (rows,).

    A row without a text is one of a single token: no row is without anything to look at, and so none is NaN.
    """
    ids = [[*row, *[0] * (width - len(row))] for row in (*texts, *[()] * (rows - len(texts)))]
    return torch.tensor(ids), torch.tensor([*map(len, texts), *[1] * (rows - len(texts))])


def _visible(lengths: torch.Tensor, width: int) -> torch.Tensor:
    """Return which tokens may be looked at: (texts, 1, 1, width)."""
    return (torch.arange(width, device=lengths.device) < lengths[:, None])[:, None, None, :]


def _arrays(answers: Sequence[torch.Tensor]) -> list[Array]:
    """Bring a pass's answers to the CPU in one piece: each piece would wait for the GPU again."""
    together = torch.cat([answer.flatten() for answer in answers]).cpu()
    parts = torch.split(together, [answer.numel() for answer in answers])
    return [part.view(answer.shape).numpy() for part, answer in zip(parts, answers, strict=True)]


def passes(lengths: Sequence[int]) -> list[list[int]]:
    """Group indices so that a pass pads little: sorted by length, within a range and a token budget."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[index]
        group = groups[-1] if groups else []
        fits = (len(group) + 1) * length <= TOKENS_AT_ONCE
        if group and fits and length <= lengths[group[0]] * _PADDING:
            group.append(index)
        else:
            groups.append([index])
    return groups

"""The optimisers of a run and the course of their rates: Muon for hidden matrices, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Rates:
    """Learning rates at full height, and the shape of their course over a run's progress (0 to 1)."""

    muon: float = 0.014
    adamw: float = 1.5e-3
    weight_decay: float = 0.02
    warm_up: float = 0.02
    decay_from: float = 0.45
    last: float = 0.02

    def scale(self, progress: float) -> float:
        """Share of the full rate at `progress`: a short rise, a plateau, a straight fall."""
        if progress < self.warm_up:
            return max(progress / self.warm_up, 0.02)
        if progress < self.decay_from:
            return 1.0
        rest = min(1.0, (progress - self.decay_from) / (1 - self.decay_from))
        return 1.0 - (1.0 - self.last) * rest


class Optimisers:
    """Several optimisers with a full rate for each of their groups, stepped and saved as one."""

    def __init__(self, members: Sequence[torch.optim.Optimizer], rates: Rates) -> None:
        self._members, self._rates = members, rates
        self._full = [[float(group["lr"]) for group in member.param_groups] for member in members]

    def step(self, progress: float) -> None:
        """Move all weights by their gradients at the rate of this progress, then clear the gradients."""
        for optimiser, rates in zip(self._members, self._full, strict=True):
            for group, full in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = full * self._rates.scale(progress)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, Any]]:
        """What `restore` needs to go on."""
        return [optimiser.state_dict() for optimiser in self._members]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Take over the state of an earlier run."""
        for optimiser, saved in zip(self._members, state, strict=True):
            optimiser.load_state_dict(saved)


def muon_and_adamw(model: nn.Module, rates: Rates) -> Optimisers:
    """Muon for the matrices between hidden layers, AdamW for embeddings, biases, norms and output."""
    named = list(model.named_parameters())
    hidden = [parameter for name, parameter in named if is_hidden_matrix(name, parameter)]
    others = [parameter for name, parameter in named if not is_hidden_matrix(name, parameter)]
    muon = torch.optim.Muon(hidden, lr=rates.muon, weight_decay=rates.weight_decay)
    adamw = torch.optim.AdamW(others, lr=rates.adamw, betas=(0.9, 0.98), weight_decay=rates.weight_decay)
    return Optimisers([muon, adamw], rates)


def is_hidden_matrix(name: str, parameter: torch.Tensor) -> bool:
    """Tell the matrices between hidden layers from embeddings, biases and norms."""
    return parameter.ndim == 2 and "embeddings" not in name and "decoder" not in name  # noqa: PLR2004

"""Incremental training of a base: lower layers frozen, upper ones slow, the head in full, with replay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import nn
from transformers import BertForMaskedLM

from training.batches import Batch, SentencePool, finish, windows
from training.encoding import Encoded
from training.loop import Loop
from training.masking import Masking
from training.optimisation import Optimisers, Rates


@dataclass(frozen=True)
class TuningPlan:
    """How a base is tuned; `replay` is the share of tokens from the texts of the base.

    Layers below `frozen_layers` and the embeddings keep their weights, so that the delta stays
    small; with `untied` the output decoder becomes a tensor of its own and learns in full.
    """

    seed: int = 7
    epochs: float = 2.0
    tokens_a_step: int = 4096
    length: int = 128
    frozen_layers: int = 2
    untied: bool = True
    replay: float = 0.25
    masking: Masking = field(default_factory=lambda: Masking(rate=0.15, words=0.1, random=0.03, kept=0.03))
    layer_rate: float = 3e-4
    head_rate: float = 1e-3
    rates: Rates = field(default_factory=lambda: Rates(warm_up=0.05, decay_from=0.2))

    def steps(self, tokens: int) -> int:
        """Steps until the new texts of `tokens` tokens have been seen `epochs` times."""
        return max(1, round(self.epochs * tokens / (self.tokens_a_step * (1 - self.replay))))


@dataclass(frozen=True)
class Diet:
    """New text beside old: `windows` every other step, single sentences in between."""

    plan: TuningPlan
    domains: Mapping[str, Encoded]
    shares: Mapping[str, float]
    pool: SentencePool
    vocabulary: int

    def draw(self, step: int, progress: float) -> Batch:
        """The batch of one step, from seed and step alone."""
        del progress
        rng = np.random.default_rng([self.plan.seed, step])
        if step % 2:
            ids, starts = self.pool.draw(self.plan.tokens_a_step, rng)
        else:
            rows = max(1, self.plan.tokens_a_step // self.plan.length)
            ids, starts = windows(self.domains, self.shares, rows, self.plan.length, rng)
        return finish(ids, starts, self.plan.masking, self.vocabulary, rng)


def diet(
    plan: TuningPlan, new: Encoded, old: Mapping[str, Encoded], shares: Mapping[str, float], vocabulary: int
) -> Diet:
    """Mix new text with replayed old text of the shares that the base was trained with."""
    total = sum(shares[name] for name in old)
    mixed = {"new": 1 - plan.replay} | {name: plan.replay * shares[name] / total for name in old}
    domains = {"new": new, **old}
    return Diet(plan, domains, mixed, SentencePool(domains, mixed), vocabulary)


def tuning(model: BertForMaskedLM, plan: TuningPlan, food: Diet) -> Loop:
    """A loop that tunes `model` in place."""
    torch.manual_seed(plan.seed)
    if plan.untied:
        untie(model)
    layers, head = thaw(model, plan.frozen_layers)
    groups = [{"params": layers, "lr": plan.layer_rate}, {"params": head, "lr": plan.head_rate}]
    adamw = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)
    settled = json.dumps(
        [asdict(plan), {n: len(e.ids) for n, e in food.domains.items()}, dict(food.shares)], sort_keys=True
    )
    name = hashlib.sha256(settled.encode()).hexdigest()[:16]
    return Loop(model, Optimisers([adamw], plan.rates), food.draw, name)


def untie(model: BertForMaskedLM) -> None:
    """Give the output decoder a weight of its own, equal to the embeddings at first."""
    decoder = model.cls.predictions.decoder
    decoder.weight = nn.Parameter(decoder.weight.detach().clone())
    model.config.tie_word_embeddings = False
    model.tie_weights()


def thaw(model: BertForMaskedLM, frozen_layers: int) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Freeze all but the upper layers and the head; return the parameters of both."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003 - torch takes it by position
    layers = [p for layer in model.bert.encoder.layer[frozen_layers:] for p in layer.parameters()]
    embedded = {id(parameter) for parameter in model.bert.embeddings.parameters()}
    head = [parameter for parameter in model.cls.parameters() if id(parameter) not in embedded]
    for parameter in (*layers, *head):
        parameter.requires_grad_(True)  # noqa: FBT003 - the same
    return layers, head

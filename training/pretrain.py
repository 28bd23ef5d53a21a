"""Pre-training: which batch each step gets, and a loop over a model that starts from data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from transformers import BertForMaskedLM

from training.batches import Batch, SentencePool, finish, windows
from training.loop import Loop
from training.optimisation import muon_and_adamw
from training.prepared import Prepared
from training.shape import Plan, Shape
from training.start import start_from_data


@dataclass(frozen=True)
class Curriculum:
    """Draws the batch of a step by the plan's stages, from seed and step alone."""

    plan: Plan
    prepared: Prepared
    positions: int
    pools: Mapping[float, SentencePool]

    @classmethod
    def of(cls, plan: Plan, prepared: Prepared, positions: int) -> Curriculum:
        """Make ready the sentences that the single-sentence stages draw from."""
        pools = {
            stage.until: SentencePool(prepared.domains, stage.shares) for stage in plan.stages if stage.single
        }
        return cls(plan, prepared, positions, pools)

    def draw(self, step: int, progress: float) -> Batch:
        """The batch of one step."""
        rng = np.random.default_rng([self.plan.seed, step])
        stage = self.plan.stage(progress)
        if stage.single:
            ids, starts = self.pools[stage.until].draw(self.plan.tokens_a_step, rng)
        else:
            length = self._length(step)
            rows = max(1, self.plan.tokens_a_step // length)
            ids, starts = windows(self.prepared.domains, stage.shares, rows, length, rng)
        return finish(ids, starts, stage.masking, len(self.prepared.vocabulary), rng)

    def _length(self, step: int) -> int:
        long = step % self.plan.long_every == self.plan.long_every - 1
        return self.positions if long else self.plan.length


def pretraining(shape: Shape, plan: Plan, prepared: Prepared) -> Loop:
    """A loop over a new model; its texts' statistics set the first weights."""
    torch.manual_seed(plan.seed)
    model = BertForMaskedLM(shape.config(len(prepared.vocabulary)))
    text = [encoded.ids for name, encoded in prepared.domains.items() if name in plan.domains]
    start_from_data(model, np.concatenate(text), plan.seed)
    curriculum = Curriculum.of(plan, prepared, shape.positions)
    return Loop(model, muon_and_adamw(model, plan.rates), curriculum.draw, _name(shape, plan, prepared))


def _name(shape: Shape, plan: Plan, prepared: Prepared) -> str:
    settled = [asdict(shape), asdict(plan), len(prepared.vocabulary), prepared.tokens]
    return hashlib.sha256(json.dumps(settled, sort_keys=True).encode()).hexdigest()[:16]

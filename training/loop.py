"""The training loop: draw, step, record, save. A run that was stopped goes on as if it had not been."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import BertForMaskedLM

from training.batches import Batch
from training.errors import BadCheckpoint
from training.optimisation import Optimisers

log = logging.getLogger(__name__)
STEPS_A_LOG_LINE = 50
CHECKPOINT_SECONDS = 120.0


class Budget(Protocol):
    """Says how far a run has come."""

    def progress(self, step: int, seconds: float) -> float:
        """Share of the run that is done (1: finished) after `step` steps and `seconds` of wall time."""


@dataclass(frozen=True)
class Steps:
    """A run of so many steps: the same result on every machine of a kind."""

    total: int

    def progress(self, step: int, seconds: float) -> float:
        """Share of the steps that are done."""
        del seconds
        return min(1.0, step / self.total)


@dataclass(frozen=True)
class Minutes:
    """A run of so many minutes: as many steps as the machine manages."""

    total: float

    def progress(self, step: int, seconds: float) -> float:
        """Share of the time that is spent."""
        del step
        return min(1.0, seconds / (60 * self.total))


@dataclass
class Spent:
    """What a run has used so far, and the loss of each step."""

    step: int = 0
    tokens: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    losses: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Clocks:
    """Wall and CPU time in seconds."""

    wall: Callable[[], float] = time.monotonic
    cpu: Callable[[], float] = time.process_time


class Loop:
    """A model, its optimisers and where its batches come from.

    `draw` makes the batch of a step from the step's number and the progress; `name` is a digest of
    all that must stay the same between a checkpoint and its resumption.
    """

    def __init__(
        self, model: BertForMaskedLM, optimisers: Optimisers, draw: Callable[[int, float], Batch], name: str
    ) -> None:
        self.model, self.name, self.spent = model, name, Spent()
        self._optimisers, self._draw = optimisers, draw

    def run(self, budget: Budget, checkpoint: Path | None = None, clocks: Clocks | None = None) -> Spent:
        """Train until the budget is spent, saving to `checkpoint` now and then and at the end."""
        clocks = clocks or Clocks()
        self.model.train()
        wall, cpu, saved = clocks.wall(), clocks.cpu(), clocks.wall()
        while (progress := budget.progress(self.spent.step, self.spent.wall_seconds)) < 1.0:
            loss = self._step(progress)
            now, now_cpu = clocks.wall(), clocks.cpu()
            self.spent.wall_seconds += now - wall
            self.spent.cpu_seconds += now_cpu - cpu
            wall, cpu = now, now_cpu
            self._record(loss, progress)
            if checkpoint and now - saved >= CHECKPOINT_SECONDS:
                self.save(checkpoint)
                saved = now
        if checkpoint:
            self.save(checkpoint)
        return self.spent

    def _step(self, progress: float) -> float:
        batch = self._draw(self.spent.step, progress)
        loss = masked_loss(self.model, batch)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._optimisers.step(progress)
        self.spent.step += 1
        self.spent.tokens += batch.targets.size
        return loss.item()

    def _record(self, loss: float, progress: float) -> None:
        self.spent.losses.append(loss)
        if self.spent.step % STEPS_A_LOG_LINE == 0:
            recent = float(np.mean(self.spent.losses[-STEPS_A_LOG_LINE:]))
            speed = self.spent.tokens / max(self.spent.wall_seconds, 1e-9)
            line = "step %d, %.1f %% done, loss %.3f, %.0f tokens/s, CPU %.0f s"
            log.info(line, self.spent.step, 100 * progress, recent, speed, self.spent.cpu_seconds)

    def save(self, path: Path) -> None:
        """Write a checkpoint by atomic rename."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "name": self.name,
            "model": self.model.state_dict(),
            "optimisers": self._optimisers.state(),
            "spent": asdict(self.spent),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of this very run."""
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
        except Exception as error:
            raise _unfit(path, f"that cannot be read ({error})") from error
        if state.get("name") != self.name:
            raise _unfit(path, f"of run {state.get('name')}, while this is run {self.name}")
        self.model.load_state_dict(state["model"])
        self._optimisers.restore(state["optimisers"])
        self.spent = Spent(**state["spent"])


def _unfit(path: Path, what: str) -> BadCheckpoint:
    return BadCheckpoint(
        seen=f"checkpoint {path} {what}",
        needed="one of the same texts, seed, shape and plan",
        do="remove it to start again",
    )


def masked_loss(model: BertForMaskedLM, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy over the hidden tokens; the vocabulary is only scored where one is hidden."""
    hidden = torch.from_numpy(batch.masked.hidden)
    attention = None if batch.attention is None else torch.from_numpy(batch.attention).long()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = model.bert(
            input_ids=torch.from_numpy(batch.masked.ids), attention_mask=attention
        ).last_hidden_state
        scores = model.cls(states[hidden])
    return cross_entropy(scores.float(), torch.from_numpy(batch.targets)[hidden])

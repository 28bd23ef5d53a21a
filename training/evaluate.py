"""Asking a model about held-out text: accuracy and calibration per domain, and its temperature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer

from training.documents import chance
from training.errors import BadModelFolder, NothingToEvaluate
from training.probes import RECALL, Probe
from training.scoring import Floats, Ints, figures, fit_temperature

ROWS = 32
FIT_SHARE = 0.4
"""Share of the held-out documents that the temperature is fitted on; figures come from the others."""


def not_a_model(folder: Path, error: Exception) -> BadModelFolder:
    """Say that a folder holds no masked language model."""
    return BadModelFolder(
        seen=f"{folder}: {error}",
        needed="a masked language model in Hugging Face layout",
        do="name a version (zh-small:1.0) or the folder of one",
    )


@dataclass(frozen=True)
class Loaded:
    """A model that answers, and its tokenizer."""

    model: Any
    tokenizer: Any

    @classmethod
    def from_folder(cls, folder: Path) -> Loaded:
        """Load a folder in Hugging Face layout, in float32."""
        try:
            model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
            return cls(model.eval(), AutoTokenizer.from_pretrained(folder))
        except (OSError, ValueError) as error:
            raise not_a_model(folder, error) from error

    def answer(self, probes: Sequence[Probe]) -> tuple[Floats, Ints]:
        """Logits (probes, vocabulary) at each [MASK], and the numbers of the right tokens."""
        order = sorted(range(len(probes)), key=lambda number: len(probes[number].text))
        logits = np.zeros((len(probes), self.model.config.vocab_size))
        for begin in range(0, len(order), ROWS):
            rows = order[begin : begin + ROWS]
            logits[rows] = self._ask([probes[row].text for row in rows])
        answers = self.tokenizer.convert_tokens_to_ids([probe.answer for probe in probes])
        return logits, np.array(answers, np.int64)

    @torch.inference_mode()
    def _ask(self, texts: list[str]) -> Floats:
        batch = self.tokenizer(texts, padding=True, return_tensors="pt")
        hidden = batch["input_ids"] == self.tokenizer.mask_token_id
        states = self.model.bert(**batch).last_hidden_state[hidden]
        return np.asarray(self.model.cls(states).numpy(), np.float64)

    def guesses(self, text: str, many: int = 5) -> list[str]:
        """The best `many` tokens for the only [MASK] in `text`."""
        best = np.argsort(-self._ask([text])[0])[:many]
        return list(self.tokenizer.convert_ids_to_tokens(best.tolist()))


def evaluate(
    loaded: Loaded, domains: Mapping[str, Sequence[Probe]], seed: int, temperature: float | None = None
) -> tuple[float, dict[str, dict[str, float]]]:
    """Return the temperature (fitted on a share of the documents unless given) and figures per domain."""
    answered = {name: loaded.answer(probes) for name, probes in domains.items()}
    fit = {name: _chosen(probes, seed) for name, probes in domains.items()}
    if temperature is None:
        if not any(chosen.any() for chosen in fit.values()):
            raise NothingToEvaluate(
                seen="no held-out sentence with a Chinese character",
                needed="some to fit the temperature on",
                do="hold out more text",
            )
        parts = [(answered[name][0][chosen], answered[name][1][chosen]) for name, chosen in fit.items()]
        temperature = fit_temperature(
            np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
        )
    result = {}
    for name, (logits, answers) in answered.items():
        if not fit[name].all():
            result[name] = asdict(figures(logits[~fit[name]], answers[~fit[name]], temperature))
    return temperature, result


def _chosen(probes: Sequence[Probe], seed: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which probes the temperature is fitted on: all of a document or none, and no trained text."""
    chances = [1.0 if probe.group == RECALL else chance(seed + 1, probe.group) for probe in probes]
    return np.array([drawn < FIT_SHARE for drawn in chances], np.bool_)

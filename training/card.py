"""Model cards: what a version learned from, how, and how well it does, as plain dictionaries."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from training.evaluate import Loaded
from training.loop import Spent

SHOWN = (
    "中国的首都是[MASK]京。",
    "人民服[MASK]",
    "为人民服[MASK]。",
    "这个酒店的服[MASK]很好",
    "画蛇添[MASK]",
    "他一心一[MASK]地工作。",
)
HOW = (
    "One Chinese character of a held-out sentence is hidden at a time. Documents are held out whole; a",
    "sentence of 8 or more characters never stands on both sides. idioms: a character of an idiom inside an",
    "example sentence that training did not see (the idiom itself was in the dictionary that it saw).",
    "unseen_*: dictionary entries that training did not see. known_idioms_alone: idioms without a sentence,",
    "which training did see: recall, not foresight. top_1, top_3: share of right answers among the best 1",
    "and 3 guesses; top_3_error: standard error; top_3_mass: mean probability of the best 3; loss: nats;",
    "ece: expected calibration error of the best guess at the card's temperature; ece_raw: at temperature 1.",
    "The temperature was fitted on other held-out documents than the ones behind these figures.",
)


def spent(work: Spent) -> dict[str, Any]:
    """What a run used; the losses are means over its last hundred steps and its first ten."""
    first, last = work.losses[:10], work.losses[-100:]
    return {
        "steps": work.step,
        "tokens": work.tokens,
        "wall_seconds": round(work.wall_seconds),
        "cpu_seconds": round(work.cpu_seconds),
        "threads": torch.get_num_threads(),
        "loss_first": round(sum(first) / max(len(first), 1), 3),
        "loss_last": round(sum(last) / max(len(last), 1), 3),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


def held_out(figures: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Figures per domain with a line on how they were taken."""
    return {"how": " ".join(HOW), "domains": figures}


def shown(loaded: Loaded, texts: Iterable[str] = SHOWN) -> dict[str, str]:
    """The five best guesses for a few fixed sentences, good or bad."""
    return {text: " ".join(loaded.guesses(text)) for text in texts}

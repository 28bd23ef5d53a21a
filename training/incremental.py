"""From a base version and new text to a delta version, with a placebo as control."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForMaskedLM

import modelstore
from training import card
from training.encoding import Encoded, encode
from training.evaluate import Loaded, evaluate, not_a_model
from training.export import export, write_json
from training.loop import Loop, Spent, Steps
from training.prepared import Prepared, group
from training.probes import Probe, questions
from training.texts import Texts
from training.tuning import TuningPlan, diet, tuning
from training.vocabulary import Vocabulary

log = logging.getLogger(__name__)
PLACEBO_DOMAIN = "news"


@dataclass(frozen=True)
class Lesson:
    """What a tuned version is made from: the base, how to tune it, and its texts."""

    base: modelstore.ModelVersion
    plan: TuningPlan
    texts: Texts
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Tuned:
    """A tuned model in a folder of its own, and what it took."""

    folder: Path
    spent: Spent


def make_delta(lesson: Lesson, out: Path) -> None:
    """Tune on reviews, tune a placebo on news for as many steps, and write the delta version `out`."""
    prepared = prepare_with(lesson)
    reviews = encode(lesson.texts.reviews.train, prepared.vocabulary.tokenizer())
    probes = questions(lesson.texts, lesson.plan.seed)
    steps = Steps(lesson.plan.steps(len(reviews.ids)))
    with tempfile.TemporaryDirectory() as scratch:
        tuned = _tune(lesson, prepared, reviews, steps, Path(scratch) / "tuned")
        placebo = _tune(lesson, prepared, prepared.domains[PLACEBO_DOMAIN], steps, Path(scratch) / "placebo")
        content = _card(lesson, out, probes, tuned, placebo) | {
            "training_tokens": {"reviews": len(reviews.ids)}
        }
        write_json(tuned.folder / "card.json", content)
        modelstore.create(lesson.base.folder, tuned.folder, out)
    modelstore.write_manifest(out, name=out.parent.name, version=out.name, base=lesson.base)


def prepare_with(lesson: Lesson) -> Prepared:
    """Encode the texts of the base with the vocabulary of the base."""
    vocabulary = Vocabulary.read(lesson.base.folder)
    return group(lesson.texts.base, vocabulary)


def _tune(lesson: Lesson, prepared: Prepared, new: Encoded, steps: Steps, folder: Path) -> Tuned:
    loop = tuned_loop(lesson, prepared, new)
    loop.run(steps)
    export(loop.model, prepared.vocabulary, folder)
    return Tuned(folder, loop.spent)


def tuned_loop(lesson: Lesson, prepared: Prepared, new: Encoded) -> Loop:
    """A loop over a fresh copy of the base, fed with `new` and replayed text."""
    try:
        model = AutoModelForMaskedLM.from_pretrained(lesson.base.folder, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise not_a_model(lesson.base.folder, error) from error
    old = {name: prepared.domains[name] for name in lesson.shares if name in prepared.domains}
    return tuning(model, lesson.plan, diet(lesson.plan, new, old, lesson.shares, len(prepared.vocabulary)))


def _card(
    lesson: Lesson, out: Path, probes: dict[str, list[Probe]], tuned: Tuned, placebo: Tuned
) -> dict[str, Any]:
    """The card of the delta: figures before, after and of the placebo, each at its own temperature."""
    seed, loaded = lesson.plan.seed, Loaded.from_folder(tuned.folder)
    aim = {name: probes[name] for name in ("reviews", PLACEBO_DOMAIN) if name in probes}
    temperature, _ = evaluate(loaded, aim, seed)
    _, after = evaluate(loaded, probes, seed, temperature)
    _, before = evaluate(Loaded.from_folder(lesson.base.folder), probes, seed, lesson.base.temperature)
    _, control = evaluate(Loaded.from_folder(placebo.folder), probes, seed)
    for name in aim:
        tops = [round(100 * figures[name]["top_3"], 1) for figures in (before, after, control)]
        log.info("%s, top-3 in per cent before, after, placebo: %s", name, tops)
    return {
        "name": out.parent.name,
        "version": out.name,
        "kind": "delta on the base: changed tensors only, fp16",
        "base": {"version": lesson.base.version, "digest": lesson.base.digest},
        "licence": "Apache-2.0 (weights; texts are not included)",
        "temperature": temperature,
        "seed": seed,
        "training": card.spent(tuned.spent),
        "recipe": asdict(lesson.plan) | {"replay_shares": dict(lesson.shares)},
        "data": list(lesson.texts.data),
        "reviews": {
            "trained_on": len(lesson.texts.reviews.train),
            "held_out": len(lesson.texts.reviews.held_out),
        },
        "held_out": card.held_out(after) | {"before": before, "placebo": control},
        "placebo": f"the same steps with {PLACEBO_DOMAIN} lines in place of reviews",
        "shown": card.shown(loaded),
    }

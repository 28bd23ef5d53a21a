"""From nothing to a base version: texts, training, export, evaluation, card and manifest."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import modelstore
from training import card
from training.evaluate import Loaded, evaluate
from training.export import export, write_json
from training.loop import Budget, Loop
from training.prepared import Prepared, prepare
from training.pretrain import pretraining
from training.probes import questions
from training.shape import Plan, Shape
from training.texts import Texts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Shape and plan of a base model, the texts that it learns from, and a remark for its card."""

    shape: Shape
    plan: Plan
    texts: Texts
    note: str = ""


def make_base(recipe: Recipe, budget: Budget, out: Path, checkpoint: Path) -> Loop:
    """Train (from the checkpoint, where there is one), and write the version `out` (models/NAME/VERSION).

    At the end the checkpoint is set aside as finished.pt, so that the next run starts again.
    """
    prepared = prepare(recipe.texts.base, recipe.shape.vocabulary)
    log.info("texts are ready: %s tokens", prepared.tokens)
    loop = pretraining(recipe.shape, recipe.plan, prepared)
    if checkpoint.exists():
        loop.resume(checkpoint)
        log.info("going on from step %d", loop.spent.step)
    loop.run(budget, checkpoint)
    write_base(recipe, prepared, loop, out)
    checkpoint.replace(checkpoint.with_name("finished.pt"))
    return loop


def write_base(recipe: Recipe, prepared: Prepared, loop: Loop, out: Path) -> None:
    """Export the model as it is now, ask it about held-out text, and write card and manifest."""
    export(loop.model, prepared.vocabulary, out)
    loaded = Loaded.from_folder(out)
    seed = recipe.plan.seed
    probes = questions(recipe.texts, seed)
    temperature, figures = evaluate(loaded, probes, seed)
    for domain, found in figures.items():
        log.info("%s: top-1 %.3f, top-3 %.3f, ece %.3f", domain, found["top_1"], found["top_3"], found["ece"])
    write_json(
        out / "card.json",
        {
            "name": out.parent.name,
            "version": out.name,
            "kind": "BertForMaskedLM, Chinese characters, fp16",
            "licence": "Apache-2.0 (weights; texts are not included)",
            "temperature": temperature,
            "seed": seed,
            "training": card.spent(loop.spent),
            "recipe": {"shape": asdict(recipe.shape), "plan": asdict(recipe.plan)},
            "data": list(recipe.texts.data),
            "training_tokens": prepared.tokens,
            "held_out": card.held_out(figures),
            "shown": card.shown(loaded),
            "note": recipe.note,
        },
    )
    modelstore.write_manifest(out, name=out.parent.name, version=out.name)

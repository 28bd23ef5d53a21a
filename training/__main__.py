"""`python -m training pretrain|incremental|evaluate`: arguments in, one call, an answer out."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import click
import torch

import modelstore
from training import texts, tiny
from training.base import Recipe, make_base
from training.errors import TrainingError
from training.evaluate import Loaded, evaluate
from training.incremental import Lesson, make_delta
from training.loop import Budget, Minutes, Steps
from training.probes import questions
from training.settings import Settings
from training.shape import Plan, Shape
from training.texts import Texts
from training.tuning import TuningPlan

FOLDER = click.Path(path_type=Path)
SEED = click.option(
    "--seed", type=int, default=7, show_default=True, help="Decides splits, start and batches."
)
TINY = click.option(
    "--tiny", is_flag=True, help="Sentences made on the spot and a tiny shape: seconds, no network."
)
ROOT = click.option(
    "--models", type=FOLDER, default=Path("models"), show_default=True, help="Folder of the versions."
)


@click.group()
def main() -> None:
    """Train, tune and evaluate the models that ship."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")


@main.command()
@click.option(
    "--out", type=FOLDER, required=True, help="Folder of the finished version, models/NAME/VERSION."
)
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="Wall time to train for.")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    help="Steps to train for, instead of a time.",
)
@click.option("--note", default="", help="A remark for the model's card.")
@SEED
@TINY
def pretrain(
    out: Path,
    minutes: float | None,
    steps: int | None,
    note: str,
    seed: int,
    tiny: bool,  # noqa: FBT001 - click passes a flag by name
) -> None:
    """Train a base version; after an interruption the same command goes on from its checkpoint."""
    settings = _settings()
    if (minutes is None) == (steps is None):
        message = "give either --minutes or --steps"
        raise click.UsageError(message)
    budget: Budget = Minutes(minutes) if minutes is not None else Steps(steps or 0)
    checkpoint = settings.cache.parent / "runs" / f"{out.parent.name}-{out.name}" / "checkpoint.pt"
    make_base(_recipe(settings, seed, small=tiny, note=note), budget, out, checkpoint)
    click.echo(f"wrote {out}")


@main.command()
@click.option(
    "--base", default="zh-small:1.0", show_default=True, help="The version to tune: name:version or a folder."
)
@click.option(
    "--out", type=FOLDER, required=True, help="Folder of the finished version, models/NAME/VERSION."
)
@SEED
@TINY
@ROOT
def incremental(base: str, out: Path, seed: int, tiny: bool, models: Path) -> None:  # noqa: FBT001 - the same
    """Tune a base version on reviews and write what changed as a delta version."""
    settings = _settings()
    recipe = _recipe(settings, seed, small=tiny)
    plan = _tuning_plan(seed, small=tiny)
    make_delta(
        Lesson(_version(base, settings, models), plan, recipe.texts, recipe.plan.stages[-1].shares), out
    )
    click.echo(f"wrote {out}")


@main.command(name="evaluate")
@click.argument("model")
@SEED
@TINY
@ROOT
def evaluate_command(model: str, seed: int, tiny: bool, models: Path) -> None:  # noqa: FBT001 - the same
    """Ask MODEL (name:version or a folder) about held-out text; figures are shares from 0 to 1."""
    settings = _settings()
    version = _version(model, settings, models)
    found = _texts(settings, seed, small=tiny)
    probes = questions(found, seed)
    _, figures = evaluate(Loaded.from_folder(version.folder), probes, seed, version.temperature)
    click.echo(f"{'domain':<28}{'probes':>8}{'top-1':>8}{'top-3':>8}{'ece':>8}{'raw':>8}")
    for name, row in figures.items():
        shares = "".join(f"{row[key]:>8.3f}" for key in ("top_1", "top_3", "ece", "ece_raw"))
        click.echo(f"{name:<28}{row['probes']:>8}{shares}")


def _recipe(settings: Settings, seed: int, *, small: bool, note: str = "") -> Recipe:
    shape, plan = (tiny.SHAPE, tiny.plan(seed)) if small else (Shape(), Plan(seed=seed))
    return Recipe(shape, plan, _texts(settings, seed, small=small), note)


def _tuning_plan(seed: int, *, small: bool) -> TuningPlan:
    return tiny.tuning_plan(seed) if small else TuningPlan(seed=seed)


def _texts(settings: Settings, seed: int, *, small: bool) -> Texts:
    return (texts.small if small else texts.real)(settings.cache, seed)


def _version(ref: str, settings: Settings, models: Path) -> modelstore.ModelVersion:
    return modelstore.resolve(ref, root=models, cache=settings.cache.parent / "models")


def _settings() -> Settings:
    settings = Settings.from_environment(os.environ)
    torch.set_num_threads(settings.threads)
    return settings


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except (TrainingError, modelstore.ModelStoreError) as error:
        sys.exit(f"error: {error}")

"""Converting models for faster engines: what the command line does, and the table it prints."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from bertmesh.commands.output import aligned
from bertmesh.errors import CannotConvert
from modelstore import ModelVersion
from service.engine.conversion import Conversion
from service.engine.extras import needing_torch
from service.engine.machine import gpus
from service.engine.recipes import CPU, RECIPES, UNCONVERTED, Recipe
from service.engine.select import conversions, ranked, recorded
from service.errors import ServiceError, UnsupportedModel

NAMES = tuple(recipe.name for recipe in RECIPES)
MIB = 1 << 20
_COLUMNS = ("recipe", "cosine", "lowest", "top 1", "top 5", "passes", "MiB", "ms", "tokens/s")
"""`ms` is the time of one sentence alone."""


def convert(
    version: ModelVersion,
    cache: Path,
    recipes: Sequence[str],
    threads: int,
    *,
    again: bool,
    tell: Callable[[str], object],
) -> Path:
    """Make the conversions that are missing, all of them with ``again``, and return their folder.

    Without ``recipes`` they are those that this machine can make.

    Raises:
        CannotConvert: The model is none that can be converted, there is no room, or no GPU for it.
    """
    folder = conversions(cache, version.digest)
    there = {} if again else recorded(folder)
    chosen = recipes or [recipe.name for recipe in RECIPES if recipe.device == CPU or gpus()]
    wanted = [recipe for recipe in RECIPES if recipe.name in chosen and recipe.name not in there]
    if wanted:
        try:
            possible = wanted if recipes else _possible(wanted, tell)
            _convert(version.folder, folder, possible, threads, tell)
        except ServiceError as error:
            raise CannotConvert(version.name, version.version, str(error)) from error
        except OSError as error:
            raise CannotConvert(version.name, version.version, _room(cache, error)) from error
    return folder


def _possible(recipes: Sequence[Recipe], tell: Callable[[str], object]) -> Sequence[Recipe]:
    """Leave out what needs a GPU where one is seen and torch cannot use it, and say so."""
    on_cpu = [recipe for recipe in recipes if recipe.device == CPU]
    if len(on_cpu) == len(recipes):
        return recipes
    try:
        with needing_torch("a GPU"):
            from service.engine.gpu import find  # noqa: PLC0415 - it brings torch, where that is installed
        find()
    except UnsupportedModel as error:
        tell(f"recipes for a GPU are left out: {error}")
        return on_cpu
    return recipes


def _room(cache: Path, error: OSError) -> str:
    free = f" ({shutil.disk_usage(cache).free // MIB:,} MiB are free)" if cache.is_dir() else ""
    return (
        f"{error}; room for about twice its weights in {cache}{free} needed: "
        "free some space, or name another folder in BERTMESH_CACHE_DIR"
    )


def _convert(
    model: Path, folder: Path, recipes: Sequence[Recipe], threads: int, tell: Callable[[str], object]
) -> None:
    # Imported here: it brings OpenVINO, which no other command needs.
    from service.engine.convert import Converter  # noqa: PLC0415

    if not recipes:
        return
    tell(f"converting by {', '.join(recipe.name for recipe in recipes)}")
    for made in Converter(model, threads).convert(folder, recipes):
        tell(f"{made.recipe}: {'passes' if made.faithful else 'does not pass'}")


def as_table(folder: Path) -> str:
    """Return the conversions in a folder, the fastest first."""
    known = sorted(recorded(folder).values(), key=lambda each: -each.tokens_per_s)
    return aligned([_COLUMNS, *map(_cells, known)])


def verdict(folder: Path) -> str:
    """Say what `auto` takes."""
    first = ranked(folder)[0]
    if first in UNCONVERTED:
        return f"auto takes {first}: no conversion is faithful enough (cosine 0.999 and top 5 99 % needed)"
    return f"auto takes {first}, the fastest that passes"


def _cells(known: Conversion) -> tuple[str, ...]:
    figures = ("cosine", "least_cosine", "top_1", "top_5")
    cosine, least, best, top = (known.fidelity.get(name, 0.0) for name in figures)
    return (
        known.recipe,
        f"{cosine:.5f}",
        f"{least:.5f}",
        f"{best:.1%}",
        f"{top:.1%}",
        "yes" if known.faithful else "no",
        f"{known.size / MIB:.1f}",
        f"{known.sentence_ms:.2f}",
        f"{known.tokens_per_s:,.0f}",
    )

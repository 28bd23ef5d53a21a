"""Which engine computes a model: torch, or the fastest conversion that is faithful to it."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from service.engine import Engine
from service.engine.conversion import Conversion
from service.errors import UnsupportedModel

AUTO, TORCH = "auto", "torch"

log = logging.getLogger(__name__)


def conversions(cache: Path, digest: str) -> Path:
    """Return the folder of a model's conversions, one folder a recipe."""
    return cache / "converted" / digest.replace(":", "-")


def load(folder: Path, converted: Path, threads: int, wanted: str = AUTO) -> Engine:
    """Load the model in a folder with the engine that is wanted, or the best that there is.

    Raises:
        UnsupportedModel: No engine can run it, or the wanted conversion is not there.
    """
    if wanted == AUTO:
        wanted = best(converted)
    if wanted == TORCH:
        # Imported here: torch takes a second and 180 MB, which a converted model does without.
        from service.engine.torch import TorchEngine  # noqa: PLC0415

        return TorchEngine.load(folder, threads)
    # The same for OpenVINO where torch computes.
    from service.engine.packed import PackedEngine  # noqa: PLC0415

    return PackedEngine.load(converted / wanted, threads)


def best(converted: Path) -> str:
    """Return the name of the fastest faithful conversion, or torch where there is none."""
    faithful = [conversion for conversion in _found(converted) if conversion.faithful]
    if faithful:
        return max(faithful, key=lambda conversion: conversion.tokens_per_s).recipe
    log.info("no faithful conversion in %s: torch computes", converted)
    return TORCH


def _found(converted: Path) -> Iterator[Conversion]:
    for folder in sorted(converted.glob("[!.]*")):
        with suppress(UnsupportedModel):  # of another format, or not finished
            yield Conversion.read(folder)

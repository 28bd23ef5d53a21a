"""Which engine computes a model: the fastest conversion that is faithful, or its own weights in float32."""

import fcntl
import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from service.engine import Array, Engine
from service.engine.conversion import Conversion
from service.engine.extras import needing_torch
from service.engine.machine import gpus, key
from service.engine.pace import heavy
from service.engine.recipes import AUTO, CUDA, OPENVINO, TORCH, UNCONVERTED
from service.errors import UnsupportedModel

CENTER = "center.npy"
"""The model's mean text vector, see `service.engine.center`."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Original:
    """A model as it was trained: its folder in Hugging Face layout."""

    folder: Path
    ref: str = "REF"
    """What it is called in the command that converts it."""
    check: Callable[[], None] = lambda: None
    """Verifies the weights, or raises; called before they are read."""


@dataclass(frozen=True)
class Chosen:
    """A warm engine, and what is known of it."""

    engine: Engine
    name: str
    """openvino or torch, or the recipe of the conversion."""
    conversion: Conversion | None = None
    center: Array | None = None
    """The model's mean text vector (hidden,), where it is known from the conversion."""

    @property
    def faithful(self) -> bool:
        """Whether its answers may stand for those of the model's own weights."""
        return self.conversion is None or self.conversion.faithful

    def as_dict(self) -> dict[str, object]:
        """Return what users may want to know of it."""
        known: dict[str, object] = {"name": self.name, "faithful": self.faithful}
        if self.conversion:
            known |= {"precision": self.conversion.precision, "made_with": self.conversion.made_with}
            known["fidelity"] = dict(self.conversion.fidelity)
        return known


def conversions(cache: Path, digest: str) -> Path:
    """Return the folder of a model's conversions for this kind of machine, one folder a recipe."""
    return cache / "converted" / digest.replace(":", "-") / key()


def recorded(converted: Path) -> Mapping[str, Conversion]:
    """Return what is known of the conversions in a folder, by recipe; unusable ones are left out."""
    return {conversion.recipe: conversion for conversion in _found(converted)}


def full_card(card: Mapping[str, object] | None, converted: Path) -> Mapping[str, object] | None:
    """Return a model's card with what is known of its conversions on this kind of machine.

    The card on disk is part of the model's digest, so that it cannot be written to afterwards.
    """
    engines = {
        name: {
            "fidelity": dict(known.fidelity),
            "tokens_per_s": known.tokens_per_s,
            "sentence_ms": known.sentence_ms,
            "bytes": known.size,
        }
        for name, known in recorded(converted).items()
    }
    return {**(card or {}), "engines": engines} if engines else card


def ranked(converted: Path, wanted: str = AUTO) -> tuple[str, ...]:
    """Return the engines to try, the best first: the wanted one, or what is faithful, then `unconverted`."""
    if wanted != AUTO:
        return (wanted,)
    faithful = [conversion for conversion in _found(converted) if conversion.faithful]
    faithful.sort(key=lambda conversion: -conversion.tokens_per_s)
    return (*(conversion.recipe for conversion in faithful), unconverted())


def unconverted() -> str:
    """Return what computes a model's own weights: torch where it may find a GPU, else OpenVINO."""
    return TORCH if gpus() and find_spec("torch") else OPENVINO


def load(model: Original, converted: Path, threads: int, wanted: str = AUTO) -> Chosen:
    """Load a model with the engine that is wanted, or the best that there is.

    Raises:
        UnsupportedModel: No engine can run it, or the wanted conversion is not there, not whole, or for a GPU
            that is gone or full.
    """
    names = ranked(converted, wanted)
    for name in names[:-1]:
        try:
            return _converted(converted, name, threads)
        except UnsupportedModel as error:
            log.error("the conversion %s is passed over: %s", name, error)  # noqa: TRY400 - a sentence will do
    if names[-1] in UNCONVERTED:
        if wanted == AUTO:
            _advise(model.ref, names[-1], recorded(converted))
        heavy(model.check)
        return Chosen(_unconverted(model.folder, names[-1], threads), names[-1])
    return _forced(converted, wanted, threads, model.ref)


def _advise(ref: str, name: str, found: Collection[str]) -> None:
    if found:
        log.warning(
            "no conversion of %s is faithful and whole (there are: %s), %s computes in float32: "
            "`bertmesh models convert %s --again` makes them again",
            ref,
            ", ".join(found),
            name,
            ref,
        )
    else:
        log.warning(
            "%s is not converted for this kind of machine, %s computes in float32: "
            "`bertmesh models convert %s` makes faster engines",
            ref,
            name,
            ref,
        )


def _unconverted(folder: Path, name: str, threads: int) -> Engine:
    # Imported here: either takes its time and its memory, and torch may be missing.
    if name == TORCH:
        with needing_torch("the engine torch"):
            from service.engine.torch import TorchEngine  # noqa: PLC0415
        return heavy(TorchEngine.load, folder, threads)
    from service.engine.unconverted import load as load_packed  # noqa: PLC0415

    return load_packed(folder, threads)


def _forced(converted: Path, wanted: str, threads: int, ref: str) -> Chosen:
    if wanted not in recorded(converted):
        raise UnsupportedModel(
            seen=f"no usable conversion {wanted} of {ref} for this kind of machine",
            needed=f"one in {converted}",
            do=f"run `bertmesh models convert {ref} --recipe {wanted}`, or leave the choice to auto",
        )
    chosen = _converted(converted, wanted, threads)
    if chosen.conversion and not chosen.conversion.faithful:
        log.warning(
            "UNFAITHFUL ENGINE: %s was asked for, and its answers differ from the model's own by more than "
            "is allowed (%s); metrics and metadata say so",
            wanted,
            _shortfall(chosen.conversion),
        )
    return chosen


def _converted(converted: Path, name: str, threads: int) -> Chosen:
    folder = converted / name
    with reading(converted):
        conversion = Conversion.read(folder)
        engine = _engine(folder, conversion, threads)
        return Chosen(engine, name, conversion, np.load(folder / CENTER))


def _engine(folder: Path, conversion: Conversion, threads: int) -> Engine:
    # Imported here: where one computes, the other's library need not be there.
    if conversion.device == CUDA:
        with needing_torch(f"the conversion {conversion.recipe}"):
            from service.engine.half import load as on_gpu  # noqa: PLC0415
        return heavy(on_gpu, folder, threads)
    from service.engine.packed import PackedEngine  # noqa: PLC0415

    return PackedEngine.load(folder, threads)


def _shortfall(conversion: Conversion) -> str:
    names = ("cosine", "top_1", "top_5")
    return ", ".join(f"{name} {conversion.fidelity.get(name, 0):.4f}" for name in names)


@contextmanager
def reading(converted: Path) -> Iterator[None]:
    """Let nobody replace conversions while the block runs."""
    with locked(converted, fcntl.LOCK_SH):
        yield


@contextmanager
def locked(folder: Path, how: int) -> Iterator[None]:
    """Hold a lock on a folder, which a read-only disk allows too; the kernel releases it when we die.

    Raises:
        BlockingIOError: Somebody else holds it, and ``how`` says not to wait.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError:
            raise
        except OSError:
            log.debug("%s knows no locks; checksums still tell of a mixture", folder)
        yield
    finally:
        os.close(descriptor)


def _found(converted: Path) -> Iterator[Conversion]:
    for folder in sorted(converted.glob("[!.]*")):
        with suppress(UnsupportedModel):  # of another format, or not finished
            yield Conversion.read(folder)

"""Golden sets of the local home: which one a rollout is held to."""

from collections.abc import Sequence
from pathlib import Path

import click

from bertmesh.local.home import Home
from bertmesh.local.pods import models_dir
from canary.rollout.model import Rollout
from modelstore.errors import BadGolden
from modelstore.golden import FILE, Sentence, read_golden

NONE = "none"


def read(path: Path) -> tuple[Sentence, ...]:
    """Return the sentences of a file.

    Raises:
        BadGolden: it cannot be read, or is no golden set.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadGolden(str(path), error.strerror or str(error)) from error
    return read_golden(data, str(path))


def find(rollout: Rollout) -> Sequence[Sentence]:
    """Return the golden set that a rollout was begun with; empty if it has none.

    Raises:
        BadGolden: the file has become unusable.
    """
    return () if rollout.golden in {None, NONE} else read(Path(rollout.golden or ""))


def own_set(home: Home, version: str, models: Path | None = None) -> Path | None:
    """Return the golden set that belongs to a version's model, if there is one.

    A version with a fault is a drill of what live traffic shows: it has none.
    """
    spec = home.versions().get(version)
    if spec is None or spec.fault:
        return None
    path = (models or models_dir()) / spec.model.partition(":")[0] / FILE
    return path if path.is_file() else None


def chosen(home: Home, version: str, wish: str | None) -> str:
    """Return the path of the golden set for a rollout of a version, or "none".

    ``wish`` is what the command line says: a file, "none", or None for the model's own.

    Raises:
        click.ClickException: the file is no golden set.
    """
    path = own_set(home, version) if wish is None else None if wish == NONE else Path(wish).resolve()
    if path is None:
        return NONE
    try:
        read(path)
    except BadGolden as error:
        raise click.ClickException(str(error)) from error
    return str(path)

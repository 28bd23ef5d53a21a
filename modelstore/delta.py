"""Deltas: the tensors and files in which a tuned model differs from its base."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - numpy knows bfloat16 from here on, and safetensors asks numpy
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from modelstore.errors import BadDelta
from modelstore.manifest import DELTA, MANIFEST, files_in, hash_files

WEIGHTS = "model.safetensors"
CARD = "card.json"
_REMOVED = "removed"
_FORMAT = {"format": "pt"}  # transformers refuses weights whose header names no framework
_READABLE = 0o644

Tensors = Mapping[str, NDArray[Any]]


def create(base: Path, tuned: Path, out: Path) -> None:
    """Write to ``out`` what turns the folder ``base`` into ``tuned``.

    ``out`` gets delta.safetensors (tensors that are new or changed, names of removed ones) and the
    files beside the weights that are new or changed (config.json, tokenizer files, card.json).

    Raises:
        BadDelta: One of the folders has no readable model.safetensors.
    """
    before, _ = _read(base / WEIGHTS)
    after, _ = _read(tuned / WEIGHTS)
    changed = {
        name: tensor
        for name, tensor in after.items()
        if name not in before or _content(before[name]) != _content(tensor)
    }
    removed = sorted(set(before) - set(after))
    out.mkdir(parents=True, exist_ok=True)
    _write(out / DELTA, changed, {**_FORMAT, _REMOVED: json.dumps(removed)})
    known = hash_files(base)
    for name, digest in hash_files(tuned).items():
        if name != WEIGHTS and (name == CARD or known.get(name) != digest):
            _copy(tuned / name, out / name)


def apply(base: Path, delta: Path, out: Path) -> None:
    """Write to ``out`` the complete model that ``delta`` makes of ``base``.

    The card is the delta's own and never inherited: the base's temperature is not the delta's.

    Raises:
        BadDelta: A weights file cannot be read.
    """
    before, _ = _read(base / WEIGHTS)
    changed, metadata = _read(delta / DELTA)
    removed = set(json.loads(metadata.get(_REMOVED, "[]")))
    after = {name: tensor for name, tensor in {**before, **changed}.items() if name not in removed}
    out.mkdir(parents=True, exist_ok=True)
    for folder, skipped in ((base, {WEIGHTS, CARD}), (delta, {DELTA})):
        for name in files_in(folder):
            if name not in skipped | {MANIFEST}:
                _copy(folder / name, out / name)
    _write(out / WEIGHTS, after, _FORMAT)


def _read(path: Path) -> tuple[Tensors, Mapping[str, str]]:
    """Return the tensors and the metadata of a safetensors file.

    Raises:
        BadDelta: The file is missing or not a complete safetensors file.
    """
    try:
        with safe_open(path, "numpy") as file:
            return {name: file.get_tensor(name) for name in file.offset_keys()}, file.metadata() or {}
    except FileNotFoundError as error:
        raise BadDelta(
            seen=f"no {path.name} in {path.parent}",
            needed="one safetensors file with the weights",
            do="save the model unsharded, with safe serialisation",
        ) from error
    except (SafetensorError, AttributeError, TypeError) as error:  # the last two for what numpy cannot hold
        raise BadDelta(
            seen=f"{path} that safetensors refuses ({error})",
            needed="a complete safetensors file",
            do="fetch the version again",
        ) from error


def _write(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    try:
        save_file(dict(tensors), path, dict(metadata))
    except SafetensorError as error:  # all that the library has for a full disk
        raise OSError(str(error)) from error
    path.chmod(_READABLE)  # safetensors makes files that only their owner may read


def _content(tensor: NDArray[Any]) -> tuple[str, tuple[int, ...], bytes]:
    return tensor.dtype.name, tensor.shape, tensor.tobytes()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)

"""Deltas: the tensors and files in which a tuned model differs from its base."""

import json
import shutil
from pathlib import Path

from modelstore import tensors
from modelstore.manifest import DELTA, MANIFEST, files_in, hash_files

WEIGHTS = "model.safetensors"
CARD = "card.json"
_REMOVED = "removed"
_FORMAT = {"format": "pt"}  # transformers refuses weights whose header names no framework


def create(base: Path, tuned: Path, out: Path) -> None:
    """Write to ``out`` what turns the folder ``base`` into ``tuned``.

    ``out`` gets delta.safetensors (tensors that are new or changed, names of removed ones) and the
    files beside the weights that are new or changed (config.json, tokenizer files, card.json).

    Raises:
        BadDelta: One of the folders has no readable model.safetensors.
    """
    before, _ = tensors.read(base / WEIGHTS)
    after, _ = tensors.read(tuned / WEIGHTS)
    changed = {name: tensor for name, tensor in after.items() if before.get(name) != tensor}
    removed = sorted(set(before) - set(after))
    out.mkdir(parents=True, exist_ok=True)
    tensors.write(out / DELTA, changed, {**_FORMAT, _REMOVED: json.dumps(removed)})
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
    before, _ = tensors.read(base / WEIGHTS)
    changed, metadata = tensors.read(delta / DELTA)
    removed = set(json.loads(metadata.get(_REMOVED, "[]")))
    after = {name: tensor for name, tensor in (before | changed).items() if name not in removed}
    out.mkdir(parents=True, exist_ok=True)
    for folder, skipped in ((base, {WEIGHTS, CARD}), (delta, {DELTA})):
        for name in files_in(folder):
            if name not in skipped | {MANIFEST}:
                _copy(folder / name, out / name)
    tensors.write(out / WEIGHTS, after, _FORMAT)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)

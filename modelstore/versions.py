"""Versions of models: what a folder with weights amounts to."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelstore.delta import CARD, WEIGHTS
from modelstore.errors import IncompleteModel, ManifestError, ModelStoreError
from modelstore.manifest import MANIFEST, Manifest, hash_files, read_manifest, verify

_WEIGHTS = (WEIGHTS, f"{WEIGHTS}.index.json", "pytorch_model.bin")
_TOKENIZERS = ("tokenizer.json", "vocab.txt")


@dataclass(frozen=True)
class ModelVersion:
    """A version: its identity, where its files are, and what its card says.

    ``temperature`` divides the logits before the softmax; 1.0 leaves them as they are. ``base`` is
    the version that a delta was made from.
    """

    name: str
    version: str
    digest: str
    folder: Path
    temperature: float = 1.0
    card: Mapping[str, Any] | None = None
    base: str | None = None


def from_manifest(manifest: Manifest, folder: Path) -> ModelVersion:
    """Return the version that ``manifest`` describes, with its files in ``folder``."""
    card = read_card(folder)
    return ModelVersion(
        name=manifest.name,
        version=manifest.version,
        digest=manifest.digest,
        folder=folder,
        temperature=_temperature(card, folder),
        card=card,
        base=manifest.base.version if manifest.base else None,
    )


def from_folder(folder: Path, name: str | None = None, *, weights: bool = True) -> ModelVersion:
    """Return a complete model folder as a version; its hashes are checked where it has a manifest.

    Without a manifest the folder's name and the digest of its files name the version. ``weights`` are
    checked unless they are not going to be read.

    Raises:
        IncompleteModel: config.json, the tokenizer or the weights are missing.
        DigestMismatch: The files are not those of the manifest.
    """
    check_layout(folder)
    if (folder / MANIFEST).exists():
        return from_manifest(verify(folder, weights=weights), folder)
    name = name or folder.resolve().name
    files = hash_files(folder)
    digest = Manifest(name, "", "full", None, files).digest
    manifest = Manifest(name, digest.removeprefix("sha256:")[:12], "full", None, files)
    return from_manifest(manifest, folder)


@dataclass(frozen=True)
class Unreadable:
    """A version by its folders' names, whose manifest or card cannot be read."""

    name: str
    version: str
    reason: str


def survey(root: Path) -> tuple[ModelVersion | Unreadable, ...]:
    """Return the versions below ``root`` as `list_versions` does, with those that cannot be read."""
    found = (_surveyed(path.parent) for path in root.glob(f"*/*/{MANIFEST}"))
    return tuple(sorted(found, key=lambda version: (version.name, _natural(version.version))))


def _surveyed(folder: Path) -> ModelVersion | Unreadable:
    try:
        return from_manifest(read_manifest(folder), folder)
    except ModelStoreError as error:
        return Unreadable(folder.parent.name, folder.name, str(error))


def list_versions(root: Path) -> tuple[ModelVersion, ...]:
    """Return the versions below ``root``, by name and version; files are not hashed.

    Raises:
        ManifestError: A manifest or card cannot be read.
    """
    folders = (path.parent for path in root.glob(f"*/*/{MANIFEST}"))
    versions = [from_manifest(read_manifest(folder), folder) for folder in folders]
    return tuple(sorted(versions, key=lambda version: (version.name, _natural(version.version))))


def check_layout(folder: Path) -> None:
    """Raise IncompleteModel unless ``folder`` has a configuration, a tokenizer and weights."""
    for what, names in (
        ("configuration", ("config.json",)),
        ("tokenizer", _TOKENIZERS),
        ("weights", _WEIGHTS),
    ):
        if not any((folder / name).exists() for name in names):
            raise IncompleteModel(
                seen=f"no {what} in {folder}",
                needed=" or ".join(names),
                do="point to a complete folder in Hugging Face layout",
            )


def read_card(folder: Path) -> Mapping[str, Any] | None:
    """Return card.json as a mapping, or None where there is none."""
    path = folder / CARD
    if not path.exists():
        return None
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _bad_card(path, f"{error}") from error
    if not isinstance(card, dict):
        raise _bad_card(path, f"a {type(card).__name__}")
    return card


def _temperature(card: Mapping[str, Any] | None, folder: Path) -> float:
    value = (card or {}).get("temperature", 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _bad_card(folder / CARD, f"temperature {value!r}")
    return float(value)


def _bad_card(path: Path, what: str) -> ManifestError:
    return ManifestError(
        seen=f"{path} with {what}",
        needed="a JSON object with a temperature above 0, if any",
        do="correct the card and write the manifest again",
    )


def _natural(version: str) -> list[tuple[int, int | str]]:
    """Order 1.10 after 1.9."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.findall(r"\d+|\D+", version)]

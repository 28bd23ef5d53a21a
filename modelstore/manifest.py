"""The manifest of a version: which files it has, their hashes, and one digest over it all."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from modelstore.errors import DigestMismatch, ManifestError
from modelstore.files import write_whole

MANIFEST = "manifest.json"
DELTA = "delta.safetensors"
SCHEMA = 1
WEIGHTS = (".safetensors", ".bin")
"""The ends of names of files with weights."""
_SETTLED_S = 2.0
"""A file that was written less long ago could be written again without a sign in its times."""
_hashed: dict[tuple[Path, int, int, int, int], str] = {}

Kind = Literal["full", "delta"]


@dataclass(frozen=True)
class Base:
    """The version that a delta patches, named and pinned by digest."""

    version: str
    digest: str


@dataclass(frozen=True)
class Manifest:
    """What manifest.json says. ``files`` maps names relative to the folder to sha256 in hex."""

    name: str
    version: str
    kind: Kind
    base: Base | None
    files: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Identity of the version: ``sha256:`` over name, version, base digest and file hashes."""
        content = {
            "name": self.name,
            "version": self.version,
            "base": self.base.digest if self.base else None,
            "files": dict(self.files),
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def files_in(folder: Path) -> list[str]:
    """Return the names of all files below ``folder``, except hidden ones."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))


def hash_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file below ``folder``, except the manifest and hidden files.

    A file that this process has hashed before is hashed again only if it was touched since.
    """
    return {name: _sha256(folder / name) for name in files_in(folder) if name != MANIFEST}


def write_manifest(folder: Path, *, name: str, version: str, base: Base | None = None) -> Manifest:
    """Hash the files in ``folder`` and write manifest.json beside them, atomically.

    The version is a delta where delta.safetensors is present; a delta needs ``base``.
    """
    kind: Kind = "delta" if (folder / DELTA).exists() else "full"
    if (kind == "delta") != (base is not None):
        raise ManifestError(
            seen=f"a {kind} version in {folder} {'with' if base else 'without'} a base",
            needed="a base for a delta, and none for a full version",
            do="pass the base that the delta was made from, or leave it out",
        )
    manifest = Manifest(name, version, kind, base, hash_files(folder))
    text = json.dumps({"schema": SCHEMA, **asdict(manifest), "digest": manifest.digest}, indent=2)
    write_whole(folder / MANIFEST, f"{text}\n".encode())
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read manifest.json without looking at the files that it lists.

    Raises:
        ManifestError: It is missing, cannot be read, is not JSON, or lacks a field.
        DigestMismatch: Its own digest does not fit what it lists.
    """
    path = folder / MANIFEST
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        manifest, recorded = _parse(raw), str(raw["digest"])
    except FileNotFoundError as error:
        raise ManifestError(
            seen=f"no {MANIFEST} in {folder}",
            needed="a manifest with the files' hashes",
            do="write it with modelstore.write_manifest",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(
            seen=f"{path} with {type(error).__name__}: {error}",
            needed=f"a manifest of schema {SCHEMA} (name, version, kind, base, files, digest)",
            do="restore the file from where the version came, or write it again",
        ) from error
    if manifest.digest != recorded:
        raise _mismatch(folder, f"digest {recorded} in {MANIFEST}, {manifest.digest} over what it lists")
    return manifest


def verify(folder: Path, *, weights: bool = True) -> Manifest:
    """Check every file in ``folder`` against its manifest.

    Without ``weights``, of these only that they are there: for somebody who is not going to read them.

    Raises:
        ManifestError: The manifest is missing or unreadable.
        DigestMismatch: A file is changed, missing, or not listed.
    """
    manifest = read_manifest(folder)
    trusted = () if weights else tuple(name for name in manifest.files if name.endswith(WEIGHTS))
    seen = {
        name: manifest.files[name] if name in trusted else _sha256(folder / name)
        for name in files_in(folder)
        if name != MANIFEST
    }
    for name in sorted({*seen, *manifest.files}):
        if name not in seen:
            raise _mismatch(folder, f"{name} is missing")
        if name not in manifest.files:
            raise _mismatch(folder, f"{name} is not in its manifest")
        if seen[name] != manifest.files[name]:
            raise _mismatch(folder, f"{name} has sha256 {seen[name][:12]}, not {manifest.files[name][:12]}")
    return manifest


def _parse(raw: Mapping[str, Any]) -> Manifest:
    if raw["schema"] != SCHEMA:
        message = f"schema {raw['schema']!r}"
        raise ValueError(message)
    if raw["kind"] not in ("full", "delta"):
        message = f"kind {raw['kind']!r}"
        raise ValueError(message)
    base = Base(str(raw["base"]["version"]), str(raw["base"]["digest"])) if raw["base"] else None
    if (raw["kind"] == "delta") != (base is not None):
        message = f"kind {raw['kind']!r} and base {raw['base']!r}"
        raise ValueError(message)
    files = {_inside(name): str(value) for name, value in raw["files"].items()}
    return Manifest(str(raw["name"]), str(raw["version"]), raw["kind"], base, files)


def _inside(name: str) -> str:
    """Refuse a name that would lead out of the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        message = f"file name {name!r}"
        raise ValueError(message)
    return name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        identity = (path, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        if identity not in _hashed:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if time.time() - max(about.st_mtime, about.st_ctime) < _SETTLED_S:
                return digest
            _hashed[identity] = digest
        return _hashed[identity]


def _mismatch(folder: Path, what: str) -> DigestMismatch:
    return DigestMismatch(
        seen=f"in {folder} {what}",
        needed="exactly the files that the manifest lists",
        do="fetch the version again, or write a new manifest if the change is meant",
    )

"""Fetch a model once, and take it only if it is the one that was tried."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from modelstore.errors import ChecksumMismatch
from modelstore.manifest import MANIFEST, files_in, read_manifest, verify
from modelstore.remote import Remote
from modelstore.versions import check_layout


def checksum(folder: Path) -> str:
    """Return the sha256 of what ``sha256sum`` would say of all files in ``folder``, by their names in order.

    Hidden files do not count.
    """
    lines = []
    for name in sorted(files_in(folder)):
        with (folder / name).open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fetch(uri: str, to: Path, *, sha256: str | None, env: Mapping[str, str]) -> str:
    """Fetch a model into the folder ``to``, all of it or nothing, and return its checksum.

    What is there already and has the checksum stays: a container that starts again fetches nothing.

    Raises:
        BadUri: the URI cannot be read.
        ChecksumMismatch: what came is not what is wanted.
        ModelStoreError: it could not be fetched, or is no model.
    """
    remote = Remote.parse(uri)
    if sha256 and to.is_dir() and checksum(to) == sha256:
        return sha256
    partial = to.with_name(f".{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        remote.download(partial, env)
        seen = _checked(partial, uri, sha256)
        shutil.rmtree(to, ignore_errors=True)
        partial.replace(to)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return seen


def fetch_base(uri: str, root: Path, *, sha256: str | None, env: Mapping[str, str]) -> Path:
    """Fetch a version with a manifest to where deltas look for it, ``root/name/version``; return the folder.

    Raises:
        ModelStoreError: as `fetch`, or it has no manifest.
    """
    waiting = root / ".base"
    fetch(uri, waiting, sha256=sha256, env=env)
    manifest = read_manifest(waiting)
    target = root / manifest.name / manifest.version
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    waiting.replace(target)
    return target


def _checked(folder: Path, uri: str, sha256: str | None) -> str:
    seen = checksum(folder)
    if sha256 and seen != sha256:
        raise ChecksumMismatch(
            seen=f"{uri} with checksum {seen}",
            needed=sha256,
            do="find out who changed it; if the change is meant, try the new one and give its checksum",
        )
    if (folder / MANIFEST).exists():
        verify(folder)
    else:
        check_layout(folder)
    return seen

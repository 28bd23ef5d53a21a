"""From a reference to a complete model folder."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelstore import delta, hub
from modelstore.errors import CacheUnusable, DigestMismatch, ManifestError, UnknownVersion
from modelstore.manifest import MANIFEST, Base, Manifest, read_manifest, verify, write_manifest
from modelstore.versions import ModelVersion, check_layout, from_folder, from_manifest


def resolve(ref: str, *, root: Path, cache: Path, weights: bool = True) -> ModelVersion:
    """Find a version, check its files, and return it with a folder that holds a complete model.

    Args:
        ref: ``name:version`` below ``root``, a path to a folder in Hugging Face layout, or
            ``hf://`` and a hub id.
        root: The folder with ``name/version`` folders; bases of deltas are looked up there.
        cache: Where deltas are put on their bases, one folder a digest.
        weights: Whether the weights are going to be read, and have to be checked therefore. The digest
            of a folder without a manifest takes them in any case.

    Raises:
        ModelStoreError: What is missing or wrong, and what to do about it.
    """
    if ref.startswith(hub.PREFIX):
        model_id = ref.removeprefix(hub.PREFIX)
        return from_folder(hub.fetch(model_id), name=model_id.rpartition("/")[2])
    folder = _find(ref, root)
    if not (folder / MANIFEST).exists() or read_manifest(folder).kind == "full":
        return from_folder(folder, weights=weights)
    manifest = verify(folder, weights=weights)
    return from_manifest(manifest, _materialise(manifest, folder, root, cache, weights=weights))


def _find(ref: str, root: Path) -> Path:
    name, colon, version = ref.partition(":")
    for folder in (root / name / version if colon else Path(ref), Path(ref)):
        if ref and folder.is_dir():
            return folder
    there = ", ".join(f"{path.parent.parent.name}:{path.parent.name}" for path in _manifests(root)) or "none"
    raise UnknownVersion(
        seen=f"there is no model {ref!r}: it is neither a version in {root} nor a folder",
        needed=f"name:version, a folder, or {hub.PREFIX}<hub id>",
        do=f"choose one; versions there are: {there}",
    )


def _manifests(root: Path) -> list[Path]:
    return sorted(root.glob(f"*/*/{MANIFEST}"))


def _materialise(manifest: Manifest, folder: Path, root: Path, cache: Path, *, weights: bool) -> Path:
    """Put the delta on its base in ``cache``; processes that want the same wait for one another."""
    target = cache / manifest.digest.removeprefix("sha256:")
    if _intact(target, weights=weights):
        return target
    partial = cache / f".{target.name}.partial"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / f"{target.name}.lock"):
            if not _intact(target, weights=weights):
                verify(folder)
                _replace(_build(manifest, _base(manifest, root, cache), folder, partial), target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise CacheUnusable(
            seen=f"the cache folder {cache}, which cannot be written ({error})",
            needed=f"room for {manifest.name}:{manifest.version} put on its base",
            do="free some space, or name another folder in BERTMESH_CACHE_DIR",
        ) from error
    return target


def _base(manifest: Manifest, root: Path, cache: Path) -> Path:
    wanted = manifest.base or Base("", "")
    folder = _find(f"{manifest.name}:{wanted.version}", root)
    # Compared before anything is resolved, so that no chain of bases can be a circle.
    seen = read_manifest(folder).digest
    if seen != wanted.digest:
        raise DigestMismatch(
            seen=f"base {manifest.name}:{wanted.version} with digest {seen}",
            needed=f"{wanted.digest}, which {manifest.name}:{manifest.version} was made from",
            do="restore that base, or make the delta again",
        )
    return resolve(str(folder), root=root, cache=cache).folder


def _build(manifest: Manifest, base: Path, folder: Path, partial: Path) -> Path:
    shutil.rmtree(partial, ignore_errors=True)  # left by a process that died; we hold its lock
    delta.apply(base, folder, partial)
    check_layout(partial)
    write_manifest(partial, name=manifest.name, version=manifest.version)
    return partial


def _replace(partial: Path, target: Path) -> None:
    if target.exists():
        broken = target.with_name(f".{target.name}.broken")
        shutil.rmtree(broken, ignore_errors=True)
        target.rename(broken)
        shutil.rmtree(broken, ignore_errors=True)
    partial.rename(target)


def _intact(folder: Path, *, weights: bool) -> bool:
    try:
        verify(folder, weights=weights)
    except (DigestMismatch, ManifestError, OSError):
        return False
    return True


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock that the kernel releases when its holder dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

"""The format of a model version on disk: manifest, digest, delta, resolution."""

from pathlib import Path

from modelstore import manifest as _manifest
from modelstore.delta import apply, create
from modelstore.errors import ModelStoreError
from modelstore.manifest import Base, Manifest, read_manifest, verify
from modelstore.resolve import resolve
from modelstore.versions import ModelVersion, Unreadable, list_versions, survey

__all__ = [
    "Manifest",
    "ModelStoreError",
    "ModelVersion",
    "Unreadable",
    "apply",
    "create",
    "list_versions",
    "read_manifest",
    "resolve",
    "survey",
    "verify",
    "write_manifest",
]


def write_manifest(folder: Path, *, name: str, version: str, base: ModelVersion | None = None) -> Manifest:
    """Hash the files in ``folder`` and write its manifest; a delta names the ``base`` it patches."""
    pinned = Base(base.version, base.digest) if base else None
    return _manifest.write_manifest(folder, name=name, version=version, base=pinned)

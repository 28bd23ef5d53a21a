"""The versions a mesh knows on its first start."""

from pathlib import Path

import click

from bertmesh.local.home import VersionSpec
from mesh.model import check_version_name
from modelstore import list_versions

SHIPPED_MODEL = "zh-small"


def shipped_versions(root: Path) -> dict[str, VersionSpec]:
    """Return the versions of the shipped model, by version name."""
    found = (version for version in list_versions(root) if version.name == SHIPPED_MODEL)
    return {version.version: VersionSpec(f"{version.name}:{version.version}") for version in found}


def parse_versions(
    _context: click.Context, _parameter: click.Parameter, words: tuple[str, ...]
) -> dict[str, VersionSpec]:
    """Parse NAME=REF words of the command line.

    Raises:
        click.BadParameter: a word without `=`, or a name that is not a version's name.
    """
    parsed = {}
    for word in words:
        name, equals, ref = word.partition("=")
        if not equals or not name or not ref:
            message = f"{word!r} is not NAME=REF, as base=hf://bert-base-chinese or mine=/path/to/folder"
            raise click.BadParameter(message)
        parsed[check_version_name(name)] = VersionSpec(ref)
    return parsed

"""Prints what is installed in this Python as a CycloneDX document: `sbom.py NAME VERSION`.

The form is CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json); packages are named as purl has it.
"""

import json
import re
import sys
from collections.abc import Iterable
from importlib import metadata
from typing import Any


def document(name: str, version: str, distributions: Iterable[metadata.Distribution]) -> dict[str, Any]:
    """Return the document; the packages stand in order of their names, each once."""
    components = {each["bom-ref"]: each for each in map(component, distributions)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": version}},
        "components": [components[key] for key in sorted(components)],
    }


def component(distribution: metadata.Distribution) -> dict[str, Any]:
    """Return one package: its name as the index spells it, version, purl and licence."""
    name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower()
    purl = f"pkg:pypi/{name}@{distribution.version}"
    licence = _licence(distribution)
    told = {"type": "library", "bom-ref": purl, "name": name, "version": distribution.version, "purl": purl}
    return {**told, "licenses": [licence]} if licence else told


def _licence(distribution: metadata.Distribution) -> dict[str, Any] | None:
    expression = distribution.metadata.json.get("license_expression")
    if expression:
        return {"expression": expression}
    named = distribution.metadata.json.get("license")
    # Some packages put the whole text there.
    return {"license": {"name": named}} if named and "\n" not in named else None


if __name__ == "__main__":
    image, release = sys.argv[1:]
    told = document(image, release, metadata.distributions())
    sys.stdout.write(json.dumps(told, indent=1) + "\n")

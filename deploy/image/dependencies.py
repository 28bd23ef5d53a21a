"""Prints what pyproject.toml asks for, extras included: `dependencies.py pyproject.toml cluster,train`.

The image installs these before the code is there, so that a change of the code does not install them again.
"""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path


def dependencies(project: Path, extras: list[str]) -> list[str]:
    """Return the requirements of a project and of some of its extras.

    Raises:
        SystemExit: there is no such extra.
    """
    described = tomllib.loads(project.read_text("utf-8"))["project"]
    optional = described.get("optional-dependencies", {})
    for extra in extras:
        if extra not in optional:
            sys.exit(
                f"{project} has no extra {extra!r}: EXTRAS takes {', '.join(optional)}, with commas between"
            )
    return [
        *described["dependencies"],
        *(each for extra in extras for each in _in(extra, optional, described["name"])),
    ]


def _in(extra: str, optional: dict[str, list[str]], name: str) -> Iterator[str]:
    """Yield what an extra brings, also by the project's other extras; the index has no such project."""
    for requirement in optional[extra]:
        if requirement.startswith(f"{name}["):
            for other in requirement.partition("[")[2].rstrip("]").split(","):
                yield from _in(other, optional, name)
        else:
            yield requirement


if __name__ == "__main__":
    path, wanted = sys.argv[1:]
    for requirement in dependencies(Path(path), [each for each in wanted.split(",") if each]):
        sys.stdout.write(f"{requirement}\n")

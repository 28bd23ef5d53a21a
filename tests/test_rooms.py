"""The house is as ARCHITECTURE.md draws it: few files at each door, and every room in the picture."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_FILES = 6


def rooms(package: str) -> set[str]:
    return {path.parent.name for path in ROOT.glob(f"{package}/*/__init__.py")}


@pytest.mark.parametrize("package", ["bertmesh", "canary", "service"])
def test_few_files_lie_at_the_door_of_a_package(package: str) -> None:
    assert len([path for path in (ROOT / package).iterdir() if path.is_file()]) <= MOST_FILES


def test_the_picture_shows_every_room() -> None:
    picture = (ROOT / "docs" / "rooms.svg").read_text("utf-8")
    drawn = set(re.findall(r">([a-z_]+)</text>", picture))
    assert rooms("service") | rooms("canary") | rooms("mesh") <= drawn

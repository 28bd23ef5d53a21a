"""docs/reference/settings.md names every environment variable that the code reads, and no other."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("bertmesh", "canary", "doctor", "mesh", "modelstore", "observability", "service", "training")
NAME = re.compile(r"BERTMESH_[A-Z]+(?:_[A-Z]+)*")
CONSTRUCTED = {f"BERTMESH_CONSOLE_{name}" for name in ("CONTEXT", "KUBECONFIG")}


def quoted() -> Iterator[str]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            yield from re.findall(rf"[\"']({NAME.pattern})[\"']", path.read_text("utf-8"))


def test_the_page_of_settings_names_all_that_the_code_reads() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    assert set(NAME.findall(page)) == set(quoted()) | CONSTRUCTED

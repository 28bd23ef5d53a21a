"""`python -m chart` writes what is generated; `python -m chart --check` says what would change."""

import sys
from pathlib import Path

from chart.build import generated

ROOT = Path(__file__).resolve().parent.parent


def main(words: list[str]) -> int:
    """Write or check the generated files, and return the exit code."""
    stale = [(path, text) for path, text in generated(ROOT).items() if _read(path) != text]
    for path, text in stale:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
        if "--check" not in words:
            path.write_text(text, encoding="utf-8")
    if stale and "--check" in words:
        sys.stderr.write("these are not as their sources say: run `python -m chart`\n")
        return 1
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The peers' environments: one a list of requirements, apart from the project's own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PATIENCE_S = 600


def python_of(name: str, cache: Path, requirements: Path) -> Path | None:
    """Return the Python of an environment, installed unless it is there; None where it cannot be."""
    folder = cache / f"venv-{name}"
    done = folder / ".installed"
    if not done.exists():
        print(f"installing {requirements.name}", file=sys.stderr)
        try:
            _install(folder, requirements)
        except (subprocess.SubprocessError, OSError) as error:
            print(f"{name} cannot be installed: {error}", file=sys.stderr)
            return None
        done.touch()
    _share(folder)
    return folder / "bin" / "python"


def _install(folder: Path, requirements: Path) -> None:
    """Install apart, beside what the project has."""
    _run([sys.executable, "-m", "venv", str(folder)])
    _share(folder)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    _run([*pip, "--disable-pip-version-check", "-r", str(requirements)])


def _share(folder: Path) -> None:
    """Let the environment see this checkout's packages, torch above all.

    Each time: the cache outlives the checkout that installed it.
    """
    (site,) = folder.glob("lib/python*/site-packages")
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "project.pth").write_text(f"{ours}{os.linesep}", encoding="utf-8")


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, timeout=PATIENCE_S)

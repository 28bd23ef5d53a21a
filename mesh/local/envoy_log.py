"""Envoy's log, which is the only place where it says why it refuses a file."""

import re
from pathlib import Path
from typing import Final

REFUSAL: Final = re.compile(r"Filesystem config update (?:rejected|failure): (.*)")


class EnvoyLog:
    """What Envoy writes after a certain moment."""

    def __init__(self, path: Path | None) -> None:
        """Take the file that Envoy's standard error goes to, if there is one."""
        self._path = path
        self._from = 0

    def mark(self) -> None:
        """Forget what was written until now."""
        self._from = self._path.stat().st_size if self._path is not None and self._path.exists() else 0

    def refusal(self) -> str:
        """Return the reason that Envoy gave last since the mark."""
        if self._path is None or not self._path.exists():
            return "its log says why"
        with self._path.open("rb") as log:
            log.seek(self._from)
            reasons = REFUSAL.findall(log.read().decode("utf-8", "replace"))
        return str(reasons[-1]) if reasons else f"{self._path} says why"

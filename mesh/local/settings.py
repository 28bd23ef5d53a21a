"""What the environment says to this package; read once, at the edge."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Settings:
    """Where programs are looked for.

    ``prometheus`` is a binary that the user names; ``cache`` is where downloaded programs are kept;
    ``path`` is the search path of commands.
    """

    path: str
    cache: Path
    prometheus: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read PATH, BERTMESH_PROMETHEUS and XDG_CACHE_HOME."""
        caches = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        prometheus = environment.get("BERTMESH_PROMETHEUS")
        return cls(
            path=environment.get("PATH", ""),
            cache=Path(caches) / "bertmesh",
            prometheus=Path(prometheus) if prometheus else None,
        )

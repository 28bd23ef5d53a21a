"""What training reads from the environment, once, at the edge."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.errors import BadSetting


@dataclass(frozen=True)
class Settings:
    """Where fetched corpora and checkpoints live, and how many threads torch may use."""

    cache: Path
    threads: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read BERTMESH_CORPORA (default ~/.cache/bertmesh/corpora) and BERTMESH_TRAIN_THREADS (1)."""
        default = Path.home() / ".cache" / "bertmesh" / "corpora"
        return cls(
            cache=Path(environment.get("BERTMESH_CORPORA") or default),
            threads=_threads(environment.get("BERTMESH_TRAIN_THREADS") or "1"),
        )


def _threads(value: str) -> int:
    if not value.isdecimal() or int(value) < 1:
        raise BadSetting(
            seen=f"BERTMESH_TRAIN_THREADS={value!r}",
            needed="a number of threads from 1 up",
            do="correct or unset it",
        )
    return int(value)

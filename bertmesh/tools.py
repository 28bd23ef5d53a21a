"""The programs that the local mesh runs."""

import os
from dataclasses import dataclass
from pathlib import Path

from mesh.binaries import find_envoy, find_prometheus, find_redis
from mesh.settings import Settings


@dataclass(frozen=True)
class Tools:
    """Where the programs are."""

    envoy: Path
    redis: Path
    prometheus: Path


def find_tools() -> Tools:
    """Find the programs.

    Raises:
        BinaryMissing: one is not here; the text says how to get it.
    """
    settings = Settings.from_environment(os.environ)
    return Tools(find_envoy(), find_redis(settings), find_prometheus(settings))

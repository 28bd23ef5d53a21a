"""Files that survive: written beside, synced, renamed; and the folder synced after that."""

import os
from pathlib import Path


def write_durably(path: Path, data: bytes) -> None:
    """Replace ``path`` so that a reader, or a machine that crashed, has the old or the new file whole."""
    beside = _write_beside(path, data, sync=True)
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_whole(path: Path, data: bytes) -> None:
    """Replace ``path`` so that a reader has the old or the new file whole; a crash may lose it."""
    _write_beside(path, data, sync=False).replace(path)


def _write_beside(path: Path, data: bytes, *, sync: bool) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    return beside

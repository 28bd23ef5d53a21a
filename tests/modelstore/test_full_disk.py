import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import modelstore
from modelstore.errors import CacheUnusable
from tests.modelstore.folders import write_store

LIMITED = """
import resource, sys
from pathlib import Path
import modelstore
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
try:
    modelstore.resolve("zh:1.1", root=Path(sys.argv[1]), cache=Path(sys.argv[2]))
except modelstore.errors.CacheUnusable as error:
    sys.exit(str(error))
"""
"""Resolves where no file may become larger than 64 bytes: a quota that needs no leave to set."""


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Make ``folder`` a file system of its own without a free block."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)], check=True)  # noqa: S607 - mount lies where the system puts it
    try:
        (folder / "filler").write_bytes(bytes(4096))
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - the same


def refused(root: Path, cache: Path, why: str) -> None:
    with pytest.raises(CacheUnusable, match=f"{why}.*room for zh:1.1 .* needed: free some space") as caught:
        modelstore.resolve("zh:1.1", root=root, cache=cache)
    assert str(cache) in str(caught.value)


def partial(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if "partial" in path.name]


def test_a_quota_that_is_used_up_is_told_in_a_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_store(tmp_path / "models")
    words = [sys.executable, "-c", LIMITED, str(tmp_path / "models"), str(tmp_path / "cache")]
    tried = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert tried.returncode == 1
    assert re.search("File too large.*room for zh:1.1 .* needed: free some space", tried.stderr)
    assert "Traceback" not in tried.stderr
    assert not partial(tmp_path / "cache")


if os.geteuid() == 0:  # nobody else can mount a file system to fill

    def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
        write_store(tmp_path / "models")
        disk = tmp_path / "disk"
        with full_disk(disk):
            refused(tmp_path / "models", disk, "No space left on device")
            assert not partial(disk)
        cache = tmp_path / "elsewhere"
        assert modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=cache).version == "1.1"


def test_a_cache_that_is_no_folder_is_told_in_a_sentence(tmp_path: Path) -> None:
    write_store(tmp_path / "models")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "models", tmp_path / "file" / "cache", "Not a directory")


def test_a_full_version_needs_no_cache(tmp_path: Path) -> None:
    write_store(tmp_path / "models")
    (tmp_path / "file").write_text("")
    assert modelstore.resolve("zh:1.0", root=tmp_path / "models", cache=tmp_path / "file").version == "1.0"

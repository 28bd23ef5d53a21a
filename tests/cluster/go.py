"""Go, as far as programs are built with it."""

import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

from tests.support.process_group import bound

NEEDED: Final = (1, 26)
DOWNLOAD_TIMEOUT_S: Final = 900
PROGRESS_S: Final = 30.0


class GoFailed(Exception):
    """Go is not there, too old, or fails; the text says what to do."""


@dataclass(frozen=True)
class Order:
    """What to build: a package that the module in the folder ``project`` requires, to the file ``target``."""

    project: Path
    package: str
    linker_flags: str
    target: Path


@dataclass(frozen=True)
class Go:
    """A Go tool chain; ``environment`` is what it runs with."""

    program: str
    environment: Mapping[str, str]

    @classmethod
    def find(cls, environment: Mapping[str, str], *, build_cache: Path) -> "Go":
        """Return the Go on PATH; it keeps what it compiles in ``build_cache``.

        Raises:
            GoFailed: there is none, or it is too old.
        """
        wanted = ".".join(map(str, NEEDED))
        advice = f"install Go {wanted} or newer (https://go.dev/dl) and put it on PATH"
        found = shutil.which("go", path=environment.get("PATH", ""))
        if found is None:
            message = f"no Go on PATH: {advice}"
            raise GoFailed(message)
        # Nothing that the machine's owner set for other projects; and no other Go is fetched unasked.
        fixed = {
            "GOCACHE": str(build_cache),
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-buildvcs=false",
            "GOWORK": "off",
        }
        go = cls(found, {**environment, **fixed})
        version = go.run(Path("/"), "env", "GOVERSION").strip()
        numbers = re.match(r"go(\d+)\.(\d+)", version)
        if numbers is None or (int(numbers[1]), int(numbers[2])) < NEEDED:
            message = f"{found} is {version or 'no Go'}: {advice}"
            raise GoFailed(message)
        return go

    def run(self, project: Path, *words: str) -> str:
        """Run a command in ``project`` and return what it prints.

        Raises:
            GoFailed: it failed.
        """
        try:
            done = subprocess.run(
                [self.program, *words],
                cwd=project,
                env=self.environment,
                check=True,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_TIMEOUT_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip()[-500:]
            message = f"`go {' '.join(words)}` failed: {said}"
            raise GoFailed(message) from error
        return done.stdout

    def copy(self, project: Path, module: str, path: str, target: Path) -> None:
        """Copy a file or folder out of a module that ``project`` requires; ``target`` is whole or not there.

        Raises:
            GoFailed: the module cannot be had, or has no such path.
        """
        archive = json.loads(self.run(project, "mod", "download", "-json", module))
        inside = f"{module}@{archive['Version']}/{path}"
        with zipfile.ZipFile(archive["Zip"]) as members, TemporaryDirectory(dir=target.parent) as work:
            wanted = [each for each in members.namelist() if each == inside or each.startswith(f"{inside}/")]
            if not wanted:
                message = f"{module} {archive['Version']} has no {path}: mend tests/cluster/programs.py"
                raise GoFailed(message)
            members.extractall(work, wanted)
            Path(work, inside).replace(target)

    def build(self, order: Order, tick: Callable[[], None]) -> None:
        """Build a program; ``tick`` is called every `PROGRESS_S` seconds. The target is whole or not there.

        Raises:
            GoFailed: it does not compile, or a module cannot be had.
        """
        partial = order.target.with_suffix(".new")
        words = [self.program, "build", "-trimpath", f"-ldflags={order.linker_flags}", "-o", str(partial)]
        with TemporaryFile() as log:
            child = subprocess.Popen(
                [*words, order.package],
                cwd=order.project,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            with bound(child.pid):
                while not _ended(child):
                    tick()
            if child.returncode:
                log.seek(0)
                said = log.read().decode(errors="replace").strip()[-1000:]
                message = f"`go build {order.package}` in {order.project} failed: {said}"
                raise GoFailed(message)
        partial.replace(order.target)


def _ended(child: "subprocess.Popen[bytes]") -> bool:
    with suppress(subprocess.TimeoutExpired):
        child.wait(PROGRESS_S)
    return child.returncode is not None

"""The programs of a real control plane: found on this machine, in the cache, or built once from Go modules.

`python -m tests.cluster.programs [NAME ...]` gets them (all without a name) and prints where they are.

Each comes from the first that works:

1. the folder KUBEBUILDER_ASSETS (as `setup-envtest` lays it) and PATH, for Kubernetes' programs and etcd, if
   the version fits;
2. the cache, `~/.cache/bertmesh/cluster/SOURCE-VERSION/NAME`;
3. Go: `tests/cluster/tools/SOURCE/go.mod` says from which modules. That takes up to 26 minutes on two cores,
   once; Go's build cache (7 GB) is removed afterwards, its module cache stays where Go keeps it.

Files that belong to a program (Istio's charts and CRDs) are kept beside it: with a full cache neither Go nor
a network is needed.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh.local.settings import Settings
from tests.cluster.go import Go, GoFailed, Order

TOOLS: Final = Path(__file__).parent / "tools"
ASSETS: Final = "KUBEBUILDER_ASSETS"

Say = Callable[[str], None]


class ProgramMissing(Exception):
    """A program is not there and cannot be built; the text says what to do."""


@dataclass(frozen=True)
class Source:
    """A folder of `tools`, what is built from it, and the files that are kept beside.

    ``programs`` are Go packages by the program's name; ``module`` is the module whose version counts. A
    program that is on this machine already is taken if the output of ``PROGRAM --version`` matches ``found``;
    without it none is. ``stamp`` are names of Go variables and what they are set to. ``files`` are paths
    inside of modules, by the name that they get.
    """

    folder: str
    module: str
    programs: Mapping[str, str]
    found: str = ""
    stamp: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The version that `go.mod` requires."""
        text = (TOOLS / self.folder / "go.mod").read_text(encoding="utf-8")
        [version] = re.findall(rf"^(?:require|)\s+{re.escape(self.module)} (v\S+)", text, re.MULTILINE)
        return str(version)

    @property
    def linker_flags(self) -> str:
        """What `go build -ldflags` gets: no symbols, and the version where the program looks for it."""
        values = (f"-X {name}={value.format(version=self.version)}" for name, value in self.stamp.items())
        return " ".join(["-s", "-w", *values])


COMPONENT: Final = "k8s.io/component-base/version"
KUBERNETES: Final = Source(
    "kubernetes",
    "k8s.io/kubernetes",
    {
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    },
    found=r"Kubernetes (v1\.36\.\S+)",
    # Without these the API server calls itself v0.0.0, and charts that ask for a version are refused.
    stamp={
        f"{COMPONENT}.gitVersion": "{version}",
        f"{COMPONENT}.gitMajor": "1",
        f"{COMPONENT}.gitMinor": "36",
    },
)
ETCD: Final = Source(
    "etcd",
    "go.etcd.io/etcd/server/v3",
    {"etcd": "go.etcd.io/etcd/server/v3"},
    found=r"etcd Version: (3\.[67]\.\S+)",
)
ISTIO: Final = Source(
    "istio",
    "istio.io/istio",
    {
        "pilot-discovery": "istio.io/istio/pilot/cmd/pilot-discovery",
        "pilot-agent": "istio.io/istio/pilot/cmd/pilot-agent",
        "istioctl": "istio.io/istio/istioctl/cmd/istioctl",
    },
    stamp={"istio.io/istio/pkg/version.buildVersion": "1.31-dev"},
    files={
        "manifests": ("istio.io/istio", "manifests"),
        "envoy_bootstrap.json": ("istio.io/istio", "tools/packaging/common/envoy_bootstrap.json"),
        "gateway-api": ("sigs.k8s.io/gateway-api", "config/crd/standard"),
    },
)
# The order in which they are built.
SOURCES: Final = (KUBERNETES, ETCD, ISTIO)
NAMES: Final = tuple(name for source in SOURCES for name in source.programs)


@dataclass
class Shelf:
    """Where programs are looked for, kept and built.

    ``say`` is told in a line what was found, what was passed over and how a build goes on.
    """

    cache: Path
    environment: Mapping[str, str]
    say: Say

    @classmethod
    def of_user(cls, environment: Mapping[str, str], say: Say) -> "Shelf":
        """Return the one in the project's cache folder."""
        return cls(Settings.from_environment(environment).cache / "cluster", environment, say)

    def get(self, names: Collection[str]) -> dict[str, Path]:
        """Return the path of each program; build those that are nowhere. Whoever comes second waits.

        Raises:
            ProgramMissing: Go is needed and missing, or fails.
        """
        wanted = [(source, name) for source in SOURCES for name in source.programs if name in names]
        assert len(wanted) == len(set(names)), f"these are no programs: {set(names) - set(NAMES)}"
        here = {name: self._here(source, name) for source, name in wanted}
        missing = [(source, name) for source, name in wanted if here[name] is None]
        if missing:
            self._build_all(missing)
        return {name: here[name] or self.folder(source) / name for source, name in wanted}

    def folder(self, source: Source) -> Path:
        """Return where the programs and files of this version of ``source`` are kept."""
        return self.cache / f"{source.folder}-{source.version}"

    def _here(self, source: Source, name: str) -> Path | None:
        kept = self.folder(source) / name
        return self._installed(source, name) or (kept if self._complete(source, name) else None)

    def _complete(self, source: Source, name: str) -> bool:
        """Return whether a program is in the cache, with all files that belong to it."""
        folder = self.folder(source)
        return os.access(folder / name, os.X_OK) and all((folder / each).exists() for each in source.files)

    def _installed(self, source: Source, name: str) -> Path | None:
        """Return the program that is on this machine already, if its version fits."""
        if not source.found:
            return None
        folders = (self.environment.get(ASSETS, ""), self.environment.get("PATH", ""))
        for found in filter(None, (shutil.which(name, path=folder) for folder in folders if folder)):
            said = _said(found)
            if fits := re.search(source.found, said):
                self.say(f"{name} {fits[1]} is there already: {found}")
                return Path(found)
            self.say(f"{found} is passed over: it says {said.strip()[:80]!r}, which is not /{source.found}/")
        return None

    def _build_all(self, wanted: Sequence[tuple[Source, str]]) -> None:
        with self._alone():
            rest = [(source, name) for source, name in wanted if not self._complete(source, name)]
            if not rest:
                return
            try:
                go = Go.find(self.environment, build_cache=self.cache / "go-build")
                self.say(f"building {', '.join(name for _, name in rest)} from Go modules: minutes, once")
                for number, (source, name) in enumerate(rest, 1):
                    self._build(go, source, name, f"{name} ({number} of {len(rest)})")
            except GoFailed as error:
                names = ", ".join(name for _, name in rest)
                message = f"{names} cannot be built: {error}"
                raise ProgramMissing(message) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of the cache; leave no build cache, neither this one nor a killed run's."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "build.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.say("another run builds what is missing: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                shutil.rmtree(self.cache / "go-build", ignore_errors=True)

    def _build(self, go: Go, source: Source, name: str, what: str) -> None:
        folder, project = self.folder(source), TOOLS / source.folder
        folder.mkdir(parents=True, exist_ok=True)
        for kept, (module, path) in source.files.items():
            if not (folder / kept).exists():
                go.copy(project, module, path, folder / kept)
        began = time.monotonic()
        order = Order(project, source.programs[name], source.linker_flags, folder / name)
        go.build(order, lambda: self.say(f"building {what}: {time.monotonic() - began:.0f} s"))
        self.say(f"built {what} in {time.monotonic() - began:.0f} s: {order.target}")


def _said(program: str) -> str:
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=20
        ).stdout
    return ""


def main() -> int:
    """Get the programs that are named, or all; print where each is, and return the exit code."""
    names = sys.argv[1:] or NAMES
    if unknown := set(names) - set(NAMES):
        sys.stderr.write(f"no such program: {', '.join(unknown)}; there are {', '.join(NAMES)}\n")
        return 2
    shelf = Shelf.of_user(os.environ, lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 - a command
    try:
        found = shelf.get(names)
    except ProgramMissing as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    for name, path in found.items():
        sys.stdout.write(f"{name:<24} {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

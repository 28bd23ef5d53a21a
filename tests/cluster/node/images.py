"""What stands in place of images: programs and folders of this machine, and what an image says of itself."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from mesh.local.binaries import find_envoy, find_redis
from mesh.local.settings import Settings
from tests.cluster.node.errors import ImageUnknown

PROJECT: Final = Path(__file__).resolve().parents[3]
PATH: Final = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
PYTHON_PATH: Final = f"{Path(sys.prefix) / 'bin'}:{PATH}"
USER: Final = 10001


@dataclass(frozen=True)
class Image:
    """One image. ``files`` are files and folders of this machine, by where a container finds them.

    All are read-only. ``user`` is who runs unless the pod says so, ``account`` is that user's name in
    /etc/passwd, and ``folder`` is what a volume of this image shows.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: int = 0
    account: str = ""
    folder: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return what `document` gave."""
        words = {name: tuple(document[name]) for name in ("entrypoint", "arguments")}
        return cls(**{**document, **words})


def find(images: Mapping[str, Image], reference: str) -> Image:
    """Return the image of a reference: its repository ends with a name in ``images``.

    Raises:
        ImageUnknown: there is none.
    """
    repository = re.sub(r"(@sha256:[0-9a-f]+|:[^/:]+)+$", "", reference)
    parts = repository.split("/")
    for begin in range(len(parts)):
        if found := images.get("/".join(parts[begin:])):
            return found
    raise ImageUnknown(reference, list(images))


def of_project(models: Path | None = None) -> Image:
    """Return the project's image: this interpreter, its packages, the code as it stands, and ``models``."""
    return Image(
        files={**_python(), "/opt/bertmesh/models": str(models or PROJECT / "models")},
        environment={
            "PATH": PYTHON_PATH,
            "PYTHONPATH": str(PROJECT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "HOME": "/tmp",  # noqa: S108 - the image's own
            "XDG_CACHE_HOME": "/tmp/.cache",  # noqa: S108 - the same
            "BERTMESH_BIND": "0.0.0.0:8000",
            "BERTMESH_MODELS_DIR": "/opt/bertmesh/models",
            "BERTMESH_CACHE_DIR": "/tmp/bertmesh/models",  # noqa: S108 - the same
        },
        workdir="/tmp",  # noqa: S108 - the same
        user=USER,
        account="bertmesh",
    )


def of_redis() -> Image:
    """Return an image with the Redis server of the local mesh; its client knows PING alone."""
    programs = {
        "/usr/local/bin/valkey-server": str(find_redis(Settings.from_environment(os.environ))),
        "/usr/local/bin/valkey-cli": str(Path(__file__).with_name("valkey_cli.py")),
    }
    return Image(
        files={**_python(), **programs},
        entrypoint=("valkey-server",),
        environment={"PATH": PYTHON_PATH},
        workdir="/data",
    )


def of_istio(pilot_agent: Path) -> Image:
    """Return Istio's proxy: pilot-agent, and what the mesh configuration names by its place on this machine.

    These are Envoy from its wheel, and the bootstrap template that lies beside pilot-agent.
    """
    named = (str(find_envoy()), str(pilot_agent.with_name("envoy_bootstrap.json")))
    return Image(
        files={"/usr/local/bin/pilot-agent": str(pilot_agent), **{path: path for path in named}},
        entrypoint=("/usr/local/bin/pilot-agent",),
        environment={"PATH": PATH},
        user=1337,
        account="istio-proxy",
    )


def standard(programs: Mapping[str, Path]) -> dict[str, Image]:
    """Return the images that the chart and Istio name, as far as their programs are there."""
    found = {"bertmesh": of_project(), "valkey/valkey": of_redis()}
    if "pilot-agent" in programs:
        found["proxyv2"] = of_istio(programs["pilot-agent"])
    return found


def _python() -> dict[str, str]:
    """Return what this interpreter, its packages and the project's code need, where they are."""
    base, program = Path(sys.base_prefix), str(Path(sys.executable).resolve())
    match str(base):
        case "/usr":
            own = []
        case "/usr/local":
            own = [str(base / "lib"), program]
        case elsewhere:
            own = [elsewhere]
    return {path: path for path in (*own, sys.prefix, str(PROJECT))}

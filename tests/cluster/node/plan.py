"""What a container's process 1 is told to build and to become (see `launch`)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from tests.cluster.node.errors import MountFailed
from tests.cluster.node.images import Image
from tests.cluster.node.volumes import Volume

Document = Mapping[str, Any]

SYSTEM: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
OF_ETC: Final = (
    "alternatives",
    "ca-certificates",
    "ethertypes",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "os-release",
    "protocols",
    "services",
    "ssl",
)
NSSWITCH: Final = "passwd: files\ngroup: files\nhosts: files dns\nprotocols: files\nservices: files\n"


@dataclass(frozen=True)
class Mount:
    """A file or folder of the node, and where the container finds it."""

    source: str
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class Plan:
    """A container to be. ``links`` are symbolic links by path; ``environment`` is for who enters, too."""

    root: str
    hostname: str
    links: Mapping[str, str]
    mounts: tuple[Mount, ...]
    read_only: bool
    uid: int
    gid: int
    identity: tuple[str, ...]
    workdir: str
    command: tuple[str, ...]
    environment: Mapping[str, str]

    def write(self, path: Path) -> None:
        """Write it for `launch`."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def system() -> tuple[dict[str, str], list[Mount]]:
    """Return the links and mounts that stand for the system in every image: all of /usr but /usr/local."""
    links: dict[str, str] = {}
    mounts = [Mount(str(each), str(each)) for each in Path("/usr").iterdir() if each.name != "local"]
    for path in (Path("/", name) for name in SYSTEM):
        if path.is_symlink():
            links[str(path)] = str(path.readlink())
        elif path.exists():
            mounts.append(Mount(str(path), str(path)))
    mounts += [Mount(f"/etc/{name}", f"/etc/{name}") for name in OF_ETC if Path("/etc", name).exists()]
    return links, mounts


def of_etc(folder: Path, image: Image) -> list[Mount]:
    """Write the files of /etc that are the image's own into ``folder``; return where they go."""
    folder.mkdir(parents=True, exist_ok=True)
    accounts = {"root": 0, "nobody": 65534} | ({image.account: image.user} if image.account else {})
    texts = {
        "passwd": "".join(f"{name}:x:{uid}:{uid}::/tmp:/bin/sh\n" for name, uid in accounts.items()),
        "group": "".join(f"{name}:x:{uid}:\n" for name, uid in accounts.items()),
        "nsswitch.conf": NSSWITCH,
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [Mount(str(folder / name), f"/etc/{name}") for name in texts]


def of_volumes(
    container: Document, volumes: Mapping[str, Volume], environment: Mapping[str, str]
) -> list[Mount]:
    """Return the mounts that a container asks for.

    A place for a mount within another one is made in the other's volume, which may be for reading only.

    Raises:
        MountFailed: there is no such volume.
    """
    found = list(_asked_for(container, volumes, environment))
    for outer in found:
        for inner in found:
            if inner.target.startswith(f"{outer.target}/") and Path(inner.source).is_dir():
                Path(outer.source, inner.target[len(outer.target) + 1 :]).mkdir(parents=True, exist_ok=True)
    return found


def _asked_for(
    container: Document, volumes: Mapping[str, Volume], environment: Mapping[str, str]
) -> Iterator[Mount]:
    for each in container.get("volumeMounts", ()):
        volume = volumes.get(each["name"])
        if volume is None:
            message = f"there is no volume {each['name']}"
            raise MountFailed(message)
        inside = each.get("subPath") or _filled(each.get("subPathExpr", ""), environment)
        source = volume.path / inside
        if inside and not source.exists():
            source.mkdir(parents=True)
            source.chmod(volume.path.stat().st_mode)
        yield Mount(
            str(source), each["mountPath"].rstrip("/"), volume.read_only or each.get("readOnly", False)
        )


def ordered(mounts: list[Mount]) -> tuple[Mount, ...]:
    """Return mounts so that none is hidden by one that comes later; the last one for a place wins."""
    by_target = {each.target: each for each in mounts}
    return tuple(sorted(by_target.values(), key=lambda each: each.target.count("/")))


def of_image(image: Image) -> list[Mount]:
    """Return the mounts of an image's files."""
    return [Mount(source, target) for target, source in image.files.items()]


def _filled(text: str, environment: Mapping[str, str]) -> str:
    for name, value in environment.items():
        text = text.replace(f"$({name})", value)
    return text

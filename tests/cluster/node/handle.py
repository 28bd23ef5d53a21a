"""What a test holds of a node."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.cluster.control_plane import ControlPlane
from tests.cluster.node.images import PROJECT, Image, standard
from tests.support.processes import LIMIT_S

NAME: Final = "node"
STATE: Final = "/run/node"
"""The node's own folder, in memory that only its mount namespace has."""
ENTER: Final = Path(__file__).with_name("enter.py")


class NodeFailed(AssertionError):
    """The node does not run; its log says why."""


class Node:
    """A node of a control plane; it runs the pods of all namespaces while the block lasts.

    ``images`` are added to those of the chart and Istio, or stand in for them. ``logs`` is the folder with a
    file `NAMESPACE_POD_CONTAINER.log` each, all starts of a container in one.
    """

    def __init__(self, plane: ControlPlane, *, images: Mapping[str, Image] | None = None) -> None:
        self._plane = plane
        self._images = {**standard(plane.programs), **(images or {})}
        self._folder = plane.folder / NAME
        self._child: subprocess.Popen[bytes] | None = None
        self.logs = plane.logs / "pods"

    def __enter__(self) -> Self:
        """Start it, and wait until it has seen all there is.

        Raises:
            NodeFailed: it ended, or takes too long.
        """
        missing = [
            name for name in ("ip", "iptables-restore", "nsenter", "setpriv", "unshare") if not _on_path(name)
        ]
        if os.geteuid() != 0 or missing:
            needs = ", ".join([*(["root"] if os.geteuid() else []), *missing])
            message = f"the node of the tests needs {needs} (Debian: iproute2, iptables, util-linux)"
            raise NodeFailed(message)
        ready = self._folder / "ready"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        ready.unlink(missing_ok=True)
        settings = self._folder / "settings.json"
        settings.write_text(json.dumps(self._settings(ready)), encoding="utf-8")
        words = ["unshare", "--pid", "--mount", "--fork", "--kill-child", "--propagation=private", "--"]
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [*words, sys.executable, "-m", "tests.cluster.node", str(settings)],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._await(ready)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, and with it all pods, at once."""
        self._end()

    @property
    def _log(self) -> Path:
        return self._plane.logs / f"{NAME}.log"

    def _settings(self, ready: Path) -> dict[str, Any]:
        return {
            "name": NAME,
            "kubeconfig": str(self._plane.kubeconfig),
            "state": STATE,
            "logs": str(self.logs),
            "ready": str(ready),
            "pid": str(self._folder / "pid"),
            "network": asdict(self._plane.network),
            "images": {name: image.document() for name, image in self._images.items()},
        }

    def _await(self, ready: Path) -> None:
        assert self._child is not None
        deadline = time.monotonic() + LIMIT_S
        while not ready.exists():
            if self._child.poll() is not None or time.monotonic() > deadline:
                message = f"the node did not start:\n{self._log.read_text(encoding='utf-8')[-3000:]}"
                raise NodeFailed(message)
            time.sleep(0.02)

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        # Process 1 ends with its input, and the kernel lets nothing in its namespace outlive it.
        with suppress(BrokenPipeError):
            child.stdin.close()
        child.wait()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.poll() is None

    def log(self, pod: str, container: str) -> str:
        """Return what a container of ``pod`` (`namespace/name`) has written so far, in all its starts."""
        path = self.logs / f"{pod.replace('/', '_')}_{container}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def address(self, pod: str) -> str:
        """Return the address of ``pod`` (`namespace/name`); raises CommandFailed if it is not there."""
        namespace, name = pod.split("/")
        return str(self._plane.get("pod", name, namespace)["status"]["podIP"])

    def exec(self, pod: str, container: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside a container, as its user, in its environment; return exit code and output."""
        namespace, name = pod.split("/")
        uid = self._plane.get("pod", name, namespace)["metadata"]["uid"]
        place = f"{STATE}/{uid}/containers/{container}"
        pid = (self._folder / "pid").read_text(encoding="ascii")
        inside = [sys.executable, "-I", "-S", str(ENTER), place, *words]
        command = ["nsenter", f"--target={pid}", "--mount", "--pid", "--", *inside]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)


def _on_path(name: str) -> bool:
    return any(
        os.access(Path(folder, name), os.X_OK) for folder in os.environ.get("PATH", "").split(os.pathsep)
    )

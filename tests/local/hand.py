"""What the tests do to a running mesh."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import urllib3

from bertmesh.local.home import Home, MeshInfo, VersionSpec
from canary.local.client import Client
from canary.local.store import FileStore
from canary.rollout.history import Entry
from canary.rollout.model import Phase, Rollout
from canary.rollout.state import State
from tests.support.processes import LIMIT_S, wait_until

TUNED = "zh-small:1.1-reviews"


class Hand:
    """A running mesh, and what a person could do with it."""

    def __init__(self, home: Home, info: MeshInfo) -> None:
        self.home = home
        self.info = info
        self.gateway = info.gateway
        self.carries = 0.0
        """Requests a second that leave room on this machine."""
        self._store = FileStore(home.rollout)

    def command(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `bertmesh WORDS` on this home."""
        return subprocess.run(
            [sys.executable, "-m", "bertmesh", *words],
            env={**os.environ, "BERTMESH_HOME": str(self.home.root), **(environment or {})},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def add(self, name: str, *, fault: str | None = None, replicas: int = 2) -> str:
        """Make a version known whose pods serve the adapted model."""
        self.home.add_versions({name: VersionSpec(TUNED, fault, replicas)})
        return name

    def roll(self, canary: str, *, steps: str = "50", words: tuple[str, ...] = ()) -> int:
        """Roll a canary out with the fast profile; return the exit code at its end."""
        ended = self.command(
            "rollout", "start", canary, "--profile", "fast", "--steps", steps, "--wait", *words
        )
        sys.stdout.write(ended.stdout + ended.stderr)  # pytest shows it where a test fails
        self.until("the losing side's pods are gone", lambda: self.rollout.settled)
        return ended.returncode

    def start(self, canary: str, *, steps: str = "50") -> None:
        """Start a rollout and do not wait for its end."""
        started = self.command("rollout", "start", canary, "--profile", "fast", "--steps", steps)
        assert started.returncode == 0, started.stderr

    @property
    def state(self) -> State:
        state = self._store.load()
        assert state is not None
        return state

    @property
    def rollout(self) -> Rollout:
        rollout = self.state.rollout
        assert rollout is not None
        return rollout

    def status(self) -> dict[str, Any]:
        return Client(self.home.rollout).status()

    def reasons(self) -> set[str]:
        """Return the reasons of everything that was decided about the last rollout."""
        return {entry.reason for entry in self.state.history if entry.rollout == self.rollout.id}

    def decided(self, reason: str) -> Entry:
        """Return the first decision about the last rollout that has this reason."""
        return next(
            each for each in self.state.history if (each.rollout, each.reason) == (self.rollout.id, reason)
        )

    def until(self, what: str, true: Callable[[], object]) -> None:
        """Wait until something is so."""
        wait_until(true, lambda: f"{what}; status {self.status()}")

    def until_weighted(self, canary: str, *, phase: Phase = Phase.PROGRESSING) -> None:
        """Wait until the canary gets traffic."""
        self.until(
            f"{canary} gets traffic",
            lambda: self.rollout.canary == canary and self.rollout.phase is phase and self.state.live_since,
        )

    def until_ended(self) -> Phase:
        """Wait for the end of the rollout and return its last phase."""
        self.until("the rollout has ended", lambda: self.rollout.ended and self.rollout.settled)
        return self.rollout.phase

    def pid(self, process: str) -> int:
        pid = self.home.processes()[process].pid
        assert pid is not None, f"{process} does not run"
        return pid

    def kill(self, process: str) -> None:
        """End one process by SIGKILL, with all it has started."""
        os.killpg(self.pid(process), signal.SIGKILL)

    def starts(self, process: str) -> int:
        return self.home.processes()[process].starts

    def post(self, task: str, body: Mapping[str, Any], **headers: str) -> urllib3.BaseHTTPResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return urllib3.request(
            "POST",
            f"{self.gateway}/{task}",
            body=json.dumps(body).encode(),
            headers={"content-type": "application/json", **named},
            timeout=LIMIT_S,
            retries=False,
        )

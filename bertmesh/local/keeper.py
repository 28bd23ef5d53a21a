"""Keeps one process running: starts it, and starts it again with backoff when it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bertmesh.local.processes import Child, Command

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
HEALTHY_AFTER_S = 30.0


@dataclass(frozen=True)
class Backoff:
    """How long to wait before the next start. Pure: times are seconds of any one clock."""

    failures: int = 0
    not_before: float = 0.0

    def after_exit(self, *, started: float, now: float) -> Self:
        """Return the state after an exit; a process that lived long starts a new count."""
        failures = 1 if now - started >= HEALTHY_AFTER_S else self.failures + 1
        pause = min(FIRST_PAUSE_S * 2.0 ** (failures - 1), LONGEST_PAUSE_S)
        return type(self)(failures, now + pause)


class ProcessKeeper:
    """One process that shall run."""

    def __init__(
        self, name: str, command: Callable[[], Command], *, home: Path, log: Path, clock: Callable[[], float]
    ) -> None:
        """Remember what to run; `poll` starts it. ``command`` is asked again at every start."""
        self.name = name
        self.log = log
        self.starts = 0
        self.last_exit: int | None = None
        self.child: Child | None = None
        self._command = command
        self._home = home
        self._clock = clock
        self._started = 0.0
        self._backoff = Backoff()

    @property
    def running(self) -> bool:
        """Whether the process ran at the last poll."""
        return self.child is not None

    @property
    def pid(self) -> int | None:
        """The process id, if it runs."""
        return self.child.pid if self.child else None

    def poll(self) -> bool:
        """Notice an exit, start when it is time; return whether the process has just ended."""
        ended = self._notice_exit()
        if self.child is None and self._clock() >= self._backoff.not_before:
            self._started = self._clock()
            self.child = Child(self.name, self._command(), home=self._home, log=self.log)
            self.starts += 1
        return ended

    def _notice_exit(self) -> bool:
        code = self.child.exit_code() if self.child else None
        if self.child is None or code is None:
            return False
        self.child.kill()  # what the process itself may have left in its group
        self.child, self.last_exit = None, code
        self._backoff = self._backoff.after_exit(started=self._started, now=self._clock())
        return True

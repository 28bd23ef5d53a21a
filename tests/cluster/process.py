"""A program that a test may stop and start again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import running


@dataclass
class Process:
    """A program of the control plane, running or not; its log is ``folder/<name>.log``, of all its lives.

    ``ready`` is true once it does its work. It ends with the run, however that ends.
    """

    name: str
    words: Sequence[str]
    folder: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    _life: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it and wait until it is ready; the test fails, with the end of its log, if it ends."""
        life = running(
            self.name, self.words, folder=self.folder, ready=self.ready, environment=self.environment
        )
        self._life.enter_context(life)

    def stop(self) -> None:
        """Kill it: nothing is said to anybody, and open connections break."""
        self._life.close()

    @contextmanager
    def started(self) -> Iterator[None]:
        """Run it until the block ends."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Do without it until the block ends."""
        self.stop()
        try:
            yield
        finally:
            self.start()

"""What the controller needs from the world: small ports, owned here, adapted elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from canary.errors import CanaryError
from canary.measure.counters import CounterSnapshot
from canary.rollout.commands import Command, OrderResult
from canary.rollout.decision import Decision
from canary.rollout.state import State
from mesh.model import Split


class NotYetLive(CanaryError):
    """A split is written, and nobody confirms it yet: apply it again.

    ``contrary`` says that somebody speaks against it, ``alert`` that a person should look.
    """

    def __init__(self, words: str, *, contrary: bool = False, alert: bool = False) -> None:
        super().__init__(words)
        self.contrary, self.alert = contrary, alert


class Router(Protocol):
    """Splits traffic between the stable and the canary version."""

    def split(self) -> Split:
        """Return the split that the routes hold.

        Raises:
            mesh.errors.MeshError: there is none that can be read.
        """

    def apply(self, split: Split) -> object:
        """Make a split live and return once that is confirmed; do nothing if it is live already.

        What is returned is the `Confirmation`, or anything else where the proxies themselves confirm always.

        Raises:
            mesh.errors.MeshError: it could not be made live; the last good split keeps serving.
            NotYetLive: it is written, and nobody confirms it yet.
        """


@dataclass(frozen=True)
class Reached:
    """Whether a request with a version's header was answered by that version; None: it could not be asked.

    ``words`` say what came instead, or why not.
    """

    answered: bool | None
    words: str = ""


class Pins(Protocol):
    """Sends a request with a version's header."""

    def reach(self, version: str) -> Reached:
        """Return who answered it."""


class Metrics(Protocol):
    """Raw counters of what the versions answered."""

    def counts(self, versions: Sequence[str], at: float, *, edge: str | None = None) -> CounterSnapshot:
        """Return all counters of ``versions`` at one query time (Unix seconds).

        Of the latency buckets only ``edge`` and "+Inf" are read, or all if it is None.

        Raises:
            canary.errors.MetricsDown: the metrics system did not answer.
        """

    def history(self, version: str, at: float, *, seconds: float, step: float) -> Sequence[CounterSnapshot]:
        """Return the counters of ``version`` every ``step`` seconds of the ``seconds`` before ``at``.

        Raises:
            canary.errors.MetricsDown: the metrics system did not answer.
        """


@dataclass(frozen=True)
class WorkloadStatus:
    """How many pods of a version are wanted and ready, and in words what is wrong, if anything is.

    ``known`` is False for a version that nobody can start.
    """

    wanted: int
    ready: int
    known: bool = True
    message: str = ""


class Workloads(Protocol):
    """Starts and stops the pods of a version."""

    def versions(self) -> Sequence[str]:
        """Return the versions that can be started."""

    def status(self, version: str) -> WorkloadStatus:
        """Return what is wanted and seen of a version."""

    def scale(self, version: str, replicas: int) -> None:
        """State how many pods a version shall have; does not wait for them."""


class Store(Protocol):
    """Keeps the state and takes commands."""

    def load(self) -> State | None:
        """Return the state that was saved last, or None.

        Raises:
            canary.errors.StoreCorrupt: there is one that cannot be read.
        """

    def save(self, state: State) -> None:
        """Keep a state; when this returns, it survives a crash of the machine."""

    def commands(self) -> Sequence[Command]:
        """Return the commands that wait for an answer, oldest first."""

    def answer(self, answer: OrderResult) -> None:
        """Answer a command and take it out of the inbox."""

    def beat(self, now: float) -> None:
        """Leave a sign of life."""


class Review(Protocol):
    """Has the last word on what the judge's verdict leads to: gates and deadlines."""

    def __call__(self, state: State, decision: Decision, now: float, /) -> tuple[State, Decision]:
        """Return the state with what was asked, and what is done instead of ``decision``, or itself."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Return Unix seconds."""

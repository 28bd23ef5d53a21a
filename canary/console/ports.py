"""What the console needs of the home it looks at: little, so that a folder and a cluster both fit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from canary.adapters.disagreements import Disagreement
from canary.rollout.commands import Command, OrderResult
from canary.rollout.state import State


@dataclass(frozen=True)
class ServiceView:
    """What is known of one service.

    ``state`` is None as long as no controller has run. ``beat`` is the controller's last sign of life (Unix
    seconds), and ``advice`` what to do when it is older than ``patience_s``. ``problem`` says in a sentence
    why the state cannot be read, ``warning`` what else a person should know, "" if nothing. ``host`` is the
    Service's full name in Istio's metrics, "" for the one that the settings name.
    """

    service: str
    state: State | None
    beat: float | None = None
    problem: str = ""
    warning: str = ""
    host: str = ""
    patience_s: float = 5.0
    advice: str = "See `bertmesh status`; `bertmesh up` starts the mesh."


@dataclass(frozen=True)
class Rates:
    """A version's traffic now: requests a second, the share that failed (0 to 1), p99 in milliseconds.

    None means that there is nothing to tell it from.
    """

    requests: float | None = None
    failed: float | None = None
    p99_ms: float | None = None


class Rollouts(Protocol):
    """The services with their rollouts, and the way to say something to their controllers."""

    def read(self) -> Sequence[ServiceView]:
        """Return every service; what cannot be read is said in its ``problem``, never raised."""

    def send(self, service: str, command: Command) -> OrderResult:
        """Send an order to a service's controller and wait for its answer.

        Raises:
            canary.errors.CanaryError: there was no answer; its sentence says why.
        """


Disagreements = Callable[[str], Sequence[Disagreement]]
"""Returns the worst disagreements of a canary, the most severe first; raises CanaryError."""


class TrafficFigures(Protocol):
    """Figures that are shown beside the evidence; nothing is decided by them."""

    def rates(self, host: str, versions: Sequence[str]) -> Mapping[str, Rates]:
        """Return the traffic of each version of a Service; empty where no metrics system is at hand."""

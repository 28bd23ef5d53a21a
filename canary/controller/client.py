"""Where people read how a rollout stands and leave their orders, whatever home it runs in."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from canary.errors import CanaryError, NoRollout, WaitedTooLong
from canary.rollout.commands import Command, OrderResult
from canary.rollout.state import State
from canary.views.rollout import entry_view, status_view

FOLLOW_S: Final = 0.5
SETTLED_WITHIN_S: Final = 10.0

View = dict[str, Any]


class RolloutClient(ABC):
    """One service's rollouts; ``now`` is in Unix seconds."""

    follow_s: float = FOLLOW_S

    def __init__(
        self, *, now: Callable[[], float] = time.time, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._now = now
        self._sleep = sleep
        self.known: State | None = None
        """The state that the last `status` was made of."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What the rollout is called where it runs, in one word."""

    @abstractmethod
    def state(self) -> State | None:
        """Return the state that the controller stored last, or None.

        Raises:
            canary.errors.CanaryError: it cannot be read.
            mesh.errors.MeshError: the API is down or refuses.
        """

    @abstractmethod
    def send(self, command: Command, *, within_s: float | None = None) -> OrderResult:
        """Send a command and wait for its answer, at most ``within_s`` seconds.

        Raises:
            canary.errors.CanaryError: nobody answered.
            mesh.errors.MeshError: the API is down or refuses.
        """

    @abstractmethod
    def controller(self) -> Mapping[str, Any] | None:
        """Return what is known of the controller itself, as JSON values."""

    @abstractmethod
    def gone(self, waited_s: float) -> CanaryError | None:
        """Return the error to end a wait of ``waited_s`` with, if the controller seems to be gone."""

    def status(self) -> View:
        """Return the status as JSON values; raises as `state` does."""
        self.known = self.state()  # first: what is known of the controller may come with it
        return status_view(self.known, self.controller())

    def history(self) -> Sequence[View]:
        """Return the history, oldest first; raises as `state` does."""
        state = self.state()
        return [] if state is None else [entry_view(entry) for entry in state.history]

    def follow(self, timeout_s: float | None = None) -> Iterator[View]:
        """Yield the status until the rollout has ended; the last one is that of its end.

        An end counts once the pods of the losing side have been let go, so that the next rollout may begin,
        or ten seconds later.

        Raises:
            NoRollout: there is none.
            ControllerGone: there was no sign of life for long.
            WaitedTooLong: it had not ended in time.
        """
        began, over = self._now(), None
        while True:
            seen = self.status()
            if seen["rollout"] is None:
                raise NoRollout(verb="follow")
            yield seen
            if seen["rollout"]["ended"]:
                over = self._now() if over is None else over
                if seen["rollout"]["settled"] or self._now() - over > SETTLED_WITHIN_S:
                    return
            else:
                self._check_patience(self._now() - began, timeout_s, seen["rollout"]["phase"])
            self._sleep(self.follow_s)

    def _check_patience(self, waited: float, timeout_s: float | None, phase: str) -> None:
        gone = self.gone(waited)
        if gone is not None:
            raise gone
        if timeout_s is not None and waited > timeout_s:
            raise WaitedTooLong(timeout_s, phase)

"""The client of a local home: what the command line and the demo use to talk to the controller."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from canary.controller.client import RolloutClient
from canary.errors import CanaryError, ControllerGone, NoController
from canary.local.inbox import Inbox
from canary.local.store import FileStore
from canary.rollout.commands import Command, OrderResult
from canary.rollout.state import State

POLL_S: Final = 0.05
ANSWER_WITHIN_S: Final = 10.0
ALIVE_WITHIN_S: Final = 5.0
GONE_AFTER_S: Final = 60.0


class Client(RolloutClient):
    """Reads the state and sends commands, for the store in ``folder``."""

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(now=now, sleep=sleep)
        self._folder = folder
        self._store = FileStore(folder)
        self._inbox = Inbox(folder)

    @property
    def label(self) -> str:
        """The id of the last rollout."""
        state = self._store.load()
        return state.rollout.id if state and state.rollout else "none"

    def state(self) -> State | None:
        """Return the state that the controller stored last, or None.

        Raises:
            canary.errors.StoreCorrupt: the state cannot be read.
        """
        return self._store.load()

    def send(self, command: Command, *, within_s: float | None = None) -> OrderResult:
        """Send a command and wait for its answer.

        Raises:
            NoController: nobody took it in time; it has been taken back.
        """
        patience = ANSWER_WITHIN_S if within_s is None else within_s
        path = self._inbox.put(command)
        answer = self._await(command.id, patience)
        if answer is None and self._inbox.take_back(path):
            raise NoController(self._folder, patience)
        # It has been claimed just now: it will be carried out, so its answer is worth another wait.
        answer = answer or self._await(command.id, patience)
        if answer is None:
            raise NoController(self._folder, 2 * patience, claimed=True)
        return answer

    def controller(self) -> dict[str, Any] | None:
        """Return the last sign of life: ``pid``, ``at`` (Unix seconds), and whether that is recent."""
        beat = self._store.last_beat()
        if beat is None:
            return None
        return {**beat, "alive": self._now() - beat["at"] < ALIVE_WITHIN_S}

    def gone(self, waited_s: float) -> CanaryError | None:
        """Return an error once there was no sign of life for a minute."""
        beat = self._store.last_beat()
        silent_s = min(waited_s, self._now() - beat["at"]) if beat else waited_s
        return ControllerGone(self._folder, silent_s) if silent_s > GONE_AFTER_S else None

    def _await(self, command_id: str, seconds: float) -> OrderResult | None:
        deadline = self._now() + seconds
        while (answer := self._inbox.collect(command_id)) is None and self._now() < deadline:
            self._sleep(POLL_S)
        return answer

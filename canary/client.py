"""The other side of the store: what the command line and the demo use to talk to the controller."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from canary.commands import Answer, Command
from canary.errors import ControllerGone, NoController, NoRollout, WaitedTooLong
from canary.inbox import Inbox
from canary.store import FileStore
from canary.view import entry_view, status_view

POLL_S: Final = 0.05
ANSWER_WITHIN_S: Final = 10.0
FOLLOW_S: Final = 0.5
ALIVE_WITHIN_S: Final = 5.0
GONE_AFTER_S: Final = 60.0


class Client:
    """Reads the state and sends commands, for the store in ``folder``."""

    def __init__(
        self,
        folder: Path,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._store = FileStore(folder)
        self._inbox = Inbox(folder)
        self._now = now
        self._sleep = sleep

    def status(self) -> dict[str, Any]:
        """Return the status as JSON values.

        Raises:
            canary.errors.StoreCorrupt: the state cannot be read.
        """
        return status_view(self._store.load(), self._controller())

    def history(self) -> Sequence[Mapping[str, Any]]:
        """Return the history, oldest first.

        Raises:
            canary.errors.StoreCorrupt: the state cannot be read.
        """
        state = self._store.load()
        return [] if state is None else [entry_view(entry) for entry in state.history]

    def send(self, command: Command, *, within_s: float = ANSWER_WITHIN_S) -> Answer:
        """Send a command and wait for its answer.

        Raises:
            NoController: nobody took it in time; it has been taken back.
        """
        path = self._inbox.put(command)
        answer = self._await(command.id, within_s)
        if answer is None and self._inbox.take_back(path):
            raise NoController(self._folder, within_s)
        # It has been claimed just now: it will be carried out, so its answer is worth another wait.
        answer = answer or self._await(command.id, within_s)
        if answer is None:
            raise NoController(self._folder, 2 * within_s, claimed=True)
        return answer

    def follow(self, timeout_s: float | None = None) -> Iterator[dict[str, Any]]:
        """Yield the status twice a second until the rollout has ended; the last one is that of its end.

        Raises:
            NoRollout: there is none.
            ControllerGone: there was no sign of life for a minute.
            WaitedTooLong: it had not ended in time.
        """
        began = self._now()
        while True:
            seen = self.status()
            if seen["rollout"] is None:
                raise NoRollout(verb="follow")
            yield seen
            if seen["rollout"]["ended"]:
                return
            self._check_patience(seen, began, timeout_s)
            self._sleep(FOLLOW_S)

    def _check_patience(self, seen: Mapping[str, Any], began: float, timeout_s: float | None) -> None:
        beat = seen["controller"]
        silent_s = self._now() - max(began, beat["at"] if beat else 0.0)
        if silent_s > GONE_AFTER_S:
            raise ControllerGone(self._folder, silent_s)
        if timeout_s is not None and self._now() - began > timeout_s:
            raise WaitedTooLong(timeout_s, seen["rollout"]["phase"])

    def _await(self, command_id: str, seconds: float) -> Answer | None:
        deadline = self._now() + seconds
        while (answer := self._inbox.collect(command_id)) is None and self._now() < deadline:
            self._sleep(POLL_S)
        return answer

    def _controller(self) -> dict[str, Any] | None:
        beat = self._store.last_beat()
        if beat is None:
            return None
        return {**beat, "alive": self._now() - beat["at"] < ALIVE_WITHIN_S}

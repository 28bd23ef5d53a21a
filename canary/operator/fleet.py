"""All ModelRollouts of an operator, each with its keeper, and the rounds in which they are looked after.

The rounds are ours and not kopf's timers: a thousand of those cost half a core, and a deletion that finds its
resource's timer at work is looked at again only a minute later.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from canary.operator.keeper import RolloutKeeper
from canary.operator.tools import Adapters

ROUND_S: Final = 0.2
WORKERS: Final = 16


class Fleet:
    """Finds keepers by the names of their resources; may be called from any thread."""

    def __init__(self, tools: Adapters) -> None:
        self._tools = tools
        self._keepers: dict[tuple[str, str], RolloutKeeper] = {}
        self._at_work: set[RolloutKeeper] = set()
        self._lock = threading.Lock()

    def changed(self, namespace: str, name: str) -> None:
        """Look at a resource that is new or has changed in the next round."""
        self._keeper(namespace, name).wake()

    def leave(self, namespace: str, name: str, since_s: float) -> bool:
        """Make a pass over a resource that was deleted ``since_s`` ago; tell whether it may go."""
        keeper = self._keeper(namespace, name)
        if not keeper.leave(since_s):
            return False
        self._drop(keeper)
        return True

    def run(self, stop: threading.Event) -> None:
        """Make rounds until ``stop`` is set; what is at work then is waited for."""
        with ThreadPoolExecutor(WORKERS, "rollouts") as workers:
            while not stop.wait(ROUND_S):
                for keeper in self._due():
                    workers.submit(self._attend, keeper)
            workers.shutdown(cancel_futures=True)

    def _due(self) -> list[RolloutKeeper]:
        """Return whom nobody is at work on and whose time has come."""
        with self._lock:
            due = [keeper for keeper in self._keepers.values() if keeper not in self._at_work and keeper.due]
            self._at_work.update(due)
        return due

    def _attend(self, keeper: RolloutKeeper) -> None:
        try:
            keeper.attend()
        finally:
            with self._lock:
                self._at_work.discard(keeper)
            if keeper.gone:
                self._drop(keeper)

    def _drop(self, keeper: RolloutKeeper) -> None:
        with self._lock:
            self._keepers.pop((keeper.namespace, keeper.name), None)

    def _keeper(self, namespace: str, name: str) -> RolloutKeeper:
        with self._lock:
            key = (namespace, name)
            if key not in self._keepers:
                self._keepers[key] = RolloutKeeper(self._tools, namespace, name)
            return self._keepers[key]

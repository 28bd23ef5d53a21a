"""All ModelRollouts of an operator, each with its keeper."""

import threading

from canary.operator.keeper import Keeper
from canary.operator.tools import Tools


class Fleet:
    """Finds keepers by the names of their resources; may be called from any thread."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._keepers: dict[tuple[str, str], Keeper] = {}
        self._lock = threading.Lock()

    def attend(self, namespace: str, name: str, *, changed: bool = False) -> None:
        """Make a pass over one resource, if one is due or if it has changed."""
        self._keeper(namespace, name).attend(changed=changed)

    def leave(self, namespace: str, name: str, since_s: float) -> bool:
        """Make a pass over a resource that was deleted ``since_s`` ago; tell whether it may go."""
        if not self._keeper(namespace, name).leave(since_s):
            return False
        with self._lock:
            self._keepers.pop((namespace, name), None)
        return True

    def _keeper(self, namespace: str, name: str) -> Keeper:
        with self._lock:
            key = (namespace, name)
            if key not in self._keepers:
                self._keepers[key] = Keeper(self._tools, namespace, name)
            return self._keepers[key]

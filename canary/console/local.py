"""The console's view of a local home: its store is a folder, its service is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from canary.console.ports import ServiceView
from canary.errors import StoreCorrupt
from canary.local.client import Client
from canary.local.store import FileStore
from canary.rollout.commands import Command, OrderResult


@dataclass(frozen=True)
class LocalRollouts:
    """Reads the store in ``folder``, which need not exist yet, and sends orders through its inbox.

    An order waits ``within_s`` seconds for its answer.
    """

    folder: Path
    service: str
    within_s: float = 10.0

    def read(self) -> Sequence[ServiceView]:
        """Return what is stored."""
        store = FileStore(self.folder)
        beat = store.last_beat()
        at = None if beat is None else float(beat["at"])
        try:
            return [ServiceView(self.service, store.load(), at)]
        except (StoreCorrupt, OSError) as error:
            return [ServiceView(self.service, None, at, f"The state cannot be read: {error}")]

    def send(self, service: str, command: Command) -> OrderResult:
        """Send an order and wait; there is only one service here, so its name decides nothing."""
        del service
        return Client(self.folder).send(command, within_s=self.within_s)

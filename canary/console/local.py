"""The console's view of a local home: its store is a folder, its service is one."""

from collections.abc import Sequence
from pathlib import Path

from canary.console.ports import ServiceView
from canary.errors import StoreCorrupt
from canary.local.client import Client
from canary.local.store import FileStore
from canary.rollout.commands import Command, OrderResult


class LocalRollouts:
    """Reads the store in ``folder``, and sends orders through its inbox."""

    def __init__(self, folder: Path, service: str, *, within_s: float = 10.0) -> None:
        """Prepare; the folder need not exist yet. An order waits ``within_s`` seconds for its answer."""
        self._folder = folder
        self._service = service
        self._within_s = within_s

    def read(self) -> Sequence[ServiceView]:
        """Return what is stored."""
        store = FileStore(self._folder)
        beat = store.last_beat()
        at = None if beat is None else float(beat["at"])
        try:
            return [ServiceView(self._service, store.load(), at)]
        except (StoreCorrupt, OSError) as error:
            return [ServiceView(self._service, None, at, f"The state cannot be read: {error}")]

    def send(self, service: str, command: Command) -> OrderResult:
        """Send an order and wait; there is only one service here, so its name decides nothing."""
        del service
        return Client(self._folder).send(command, within_s=self._within_s)

"""No write without the Lease: the fence is asked before each of them, as late as can be."""

from typing import Final, Protocol

from kubernetes import client

from canary.operator.errors import Deposed
from mesh.cluster.api import ClusterApi

READS: Final = frozenset({"GET", "HEAD"})


class Fence(Protocol):
    """Says whether this replica may write."""

    def holds(self, seconds: float) -> bool:
        """Return whether nobody else can be the leader within the next ``seconds``."""
        ...


class OpenFence:
    """For a single replica without an election."""

    def holds(self, seconds: float) -> bool:
        """Let everything pass."""
        del seconds
        return True


class FencedApi(ClusterApi):
    """The API for a leader: a write goes out only if it would time out before the Lease does."""

    def __init__(self, api: client.ApiClient, fence: Fence, *, timeout_s: float = 5.0) -> None:
        super().__init__(api, timeout_s=timeout_s)
        self._fence = fence
        self._write_s = timeout_s

    def _admit(self, method: str, path: str) -> None:
        """Let reads pass, and writes that end before the Lease does.

        Raises:
            Deposed: it is a write, and the Lease may be lost before it ends.
        """
        if method not in READS and not self._fence.holds(self._write_s):
            what = f"{method} {path}"
            raise Deposed(what)

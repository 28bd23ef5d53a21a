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


def check(fence: Fence, method: str, path: str, seconds: float) -> None:
    """Let reads pass, and writes that end within ``seconds`` and so before the Lease does.

    Raises:
        Deposed: it is a write, and the Lease may be lost before it ends.
    """
    if method not in READS and not fence.holds(seconds):
        what = f"{method} {path}"
        raise Deposed(what)


class FencedApi(ClusterApi):
    """The API for a leader: a write goes out only if it would time out before the Lease does."""

    def __init__(self, api: client.ApiClient, fence: Fence, *, timeout_s: float = 5.0) -> None:
        super().__init__(api, timeout_s=timeout_s)
        self._fence = fence
        self._write_s = timeout_s

    def _admit(self, method: str, path: str) -> None:
        check(self._fence, method, path, self._write_s)

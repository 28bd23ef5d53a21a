"""No write without the Lease: the fence is asked before each of them, as late as can be."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from kubernetes import client

from canary.operator.errors import Deposed
from mesh.cluster_api import Answer, ClusterApi

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

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Send one request.

        Raises:
            Deposed: it is a write, and the Lease may be lost before it ends.
            ApiDown: no answer in time, or one that says to come later.
        """
        if method not in READS and not self._fence.holds(self._write_s):
            what = f"{method} {path}"
            raise Deposed(what)
        return super().request(method, path, query=query, body=body, content_type=content_type)

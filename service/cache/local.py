"""Answers kept in this process: those that were used last, as many as fit into a number of bytes.

Nothing expires: an answer belongs to one model digest, so it never goes stale.
"""

from collections.abc import Mapping, Sequence
from threading import Lock

from cachetools import LRUCache

ENTRY_BYTES = 490
"""What an entry takes besides its content: its key, and its places in tables that are never quite full
(300 to 380 were measured while they grow, 480 once the oldest make room)."""


def _size(content: bytes) -> int:
    return len(content) + ENTRY_BYTES


class LocalAnswers:
    """Keeps the contents of keys in at most a number of bytes; none where that is 0."""

    def __init__(self, max_bytes: int) -> None:
        self._lock = Lock()
        self._kept: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=_size)

    @property
    def taken_bytes(self) -> int:
        """What is taken of the room."""
        return int(self._kept.currsize)

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return what is kept under keys."""
        with self._lock:
            return [self._kept.get(key) for key in keys]

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Keep contents; what was not used for longest makes room, and what can never fit is left out."""
        with self._lock:
            for key, content in contents.items():
                if _size(content) <= self._kept.maxsize:
                    self._kept[key] = content

"""Objects, their revisions and what happened to them: the part of etcd and of the watch cache."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.kubeapi.clone import clone
from tests.support.kubeapi.problem import gone

Object = dict[str, Any]
Key = tuple[str, str]
Name = tuple[str, str]


@dataclass(frozen=True)
class Change:
    """One write. ``before`` is None for a creation, ``after`` for a removal; ``last`` is never None."""

    revision: int
    key: Key
    name: Name
    before: Object | None
    after: Object | None
    last: Object


@dataclass
class Storage:
    """Everything that is stored. All methods may be called from any thread; objects are copied in and out."""

    objects: dict[Key, dict[Name, Object]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    revision: int = 1
    oldest: int = 1
    closed: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.news = threading.Condition(self.lock)

    def get(self, key: Key, name: Name) -> Object | None:
        with self.lock:
            return clone(self.objects.get(key, {}).get(name))

    def all(self, key: Key, namespace: str | None) -> tuple[int, list[Object]]:
        """Return the revision and the objects, by namespace and name, as the real server lists them."""
        with self.lock:
            found = sorted(self.objects.get(key, {}).items())
            kept = [document for (space, _), document in found if namespace in (None, space)]
            return self.revision, clone(kept)

    def put(self, key: Key, name: Name, document: Object) -> Object:
        """Store a document under a new revision, and return it as it is stored."""
        with self.lock:
            self.revision += 1
            stored = clone(document)
            stored["metadata"]["resourceVersion"] = str(self.revision)
            kind = self.objects.setdefault(key, {})
            self._tell(Change(self.revision, key, name, kind.get(name), stored, stored))
            kind[name] = stored
            return clone(stored)

    def remove(self, key: Key, name: Name) -> Object:
        with self.lock:
            self.revision += 1
            before = self.objects[key].pop(name)
            last = clone(before)
            last["metadata"]["resourceVersion"] = str(self.revision)
            self._tell(Change(self.revision, key, name, before, None, last))
            return last

    def _tell(self, change: Change) -> None:
        self.changes.append(change)
        self.news.notify_all()

    def compact(self) -> None:
        """Forget the past: a watch from an older revision gets 410."""
        with self.lock:
            self.changes.clear()
            self.oldest = self.revision

    def close(self) -> None:
        """End all watches."""
        with self.lock:
            self.closed = True
            self.news.notify_all()

    def reopen(self) -> None:
        with self.lock:
            self.closed = False

    def since(self, key: Key, revision: int) -> tuple[int, list[Change]]:
        """Return the newest revision and the changes after ``revision``.

        Raises:
            ApiError: 410, when they are forgotten.
        """
        with self.lock:
            if revision < self.oldest:
                raise gone(revision, self.oldest)
            # From the newest backwards: a watch is seldom far behind.
            newer = self._newer(revision)
            return self.revision, [change for change in newer if change.key == key]

    def _newer(self, revision: int) -> list[Change]:
        found: list[Change] = []
        for change in reversed(self.changes):
            if change.revision <= revision:
                break
            found.append(change)
        return found[::-1]

    def wait(self, revision: int, seconds: float) -> bool:
        """Wait until something newer than ``revision`` is there; False when nothing came."""
        with self.lock:
            return self.news.wait_for(lambda: self.closed or self.revision > revision, seconds)

    def __iter__(self) -> Iterator[tuple[Key, Name, Object]]:
        with self.lock:
            return iter(
                [(key, name, doc) for key, found in self.objects.items() for name, doc in found.items()]
            )

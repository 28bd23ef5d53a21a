"""Watches: what happened to the objects of a kind since a revision."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.kubeapi.problem import ApiError
from tests.support.kubeapi.selectors import Test
from tests.support.kubeapi.storage import Change, Storage
from tests.support.kubeapi.target import Target, shown

Event = dict[str, Any]
IDLE_S = 0.2


@dataclass(frozen=True)
class Watch:
    """One watch. ``since`` is None for a watch that begins with everything that is there.

    ``initial_end`` asks for the bookmark that ends that beginning (``sendInitialEvents``).
    """

    storage: Storage
    target: Target
    selected: Test
    since: int | None
    seconds: float
    bookmarks: bool = False
    initial_end: bool = False

    def events(self) -> Iterator[Event | None]:
        """Yield events, and None now and then, so that a caller that has gone is noticed."""
        deadline = time.monotonic() + self.seconds
        revision = self.since if self.since is not None else self.storage.revision
        if self.since is None:
            revision, present = self._present()
            yield from present
        try:
            while time.monotonic() < deadline and not self.storage.closed:
                revision, changes = self._news(revision)
                yield from changes
                if not self.storage.wait(revision, IDLE_S):
                    yield None
        except ApiError as error:
            yield {"type": "ERROR", "object": error.status()}
            return
        if self.bookmarks:
            yield self._bookmark(revision)

    def _present(self) -> tuple[int, list[Event]]:
        revision, documents = self.storage.all(self.target.kind.key, self.target.namespace or None)
        events = [self._event("ADDED", document) for document in documents if self.selected(document)]
        if self.initial_end:
            end = self._bookmark(revision)
            end["object"]["metadata"]["annotations"] = {"k8s.io/initial-events-end": "true"}
            events.append(end)
        return revision, events

    def _news(self, revision: int) -> tuple[int, list[Event]]:
        newest, changes = self.storage.since(self.target.kind.key, revision)
        told = [self._told(change) for change in changes if self._here(change)]
        return newest, [event for event in told if event is not None]

    def _here(self, change: Change) -> bool:
        namespace, name = change.name
        return self.target.namespace in ("", namespace) and self.target.name in ("", name)

    def _told(self, change: Change) -> Event | None:
        """An object that enters the selection is ADDED, one that leaves it is DELETED."""
        was = change.before is not None and self.selected(change.before)
        now = change.after is not None and self.selected(change.after)
        match was, now:
            case False, False:
                return None
            case False, True:
                return self._event("ADDED", change.last)
            case True, True:
                return self._event("MODIFIED", change.last)
            case _:
                return self._event("DELETED", change.last)

    def _event(self, kind: str, document: dict[str, Any]) -> Event:
        return {"type": kind, "object": shown(self.target, document)}

    def _bookmark(self, revision: int) -> Event:
        empty = {"metadata": {"resourceVersion": str(revision), "creationTimestamp": None}}
        return self._event("BOOKMARK", empty)

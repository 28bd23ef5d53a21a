"""Two places for models in one process: the one in service, and the one before it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Condition
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """What a slot holds."""

    def close(self) -> None:
        """Let go of threads and memory; what was begun is finished first."""


Held = TypeVar("Held", bound=Closable)


class Slot(Generic[Held]):
    """A model in its slot, and how many requests are with it."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.users = 0


class Slots(Generic[Held]):
    """Says which model answers. A switch is one assignment: a request is with one model from first to last.

    Whatever a request asks within `pinned` is asked of the model that was active when it began, and
    that model stays in memory until the request is over.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._active: Slot[Held] | None = None
        self._former: Slot[Held] | None = None
        self._pinned: ContextVar[Slot[Held] | None] = ContextVar("pinned", default=None)

    @property
    def active(self) -> Held | None:
        """The model of the request that this code runs for; outside of one, the model in service."""
        slot = self._pinned.get() or self._active
        return slot.held if slot else None

    @property
    def newest(self) -> Held | None:
        """The model in service, whichever one this request is with."""
        return self._active.held if self._active else None

    @property
    def former(self) -> Held | None:
        """The model that was in service before, while it is kept for the way back."""
        return self._former.held if self._former else None

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Stay with the model that is active now until the block ends."""
        with self._changed:
            slot = self._active
            if slot:
                slot.users += 1
        token = self._pinned.set(slot)
        try:
            yield
        finally:
            self._pinned.reset(token)
            if slot:
                with self._changed:
                    slot.users -= 1
                    self._changed.notify_all()

    def put(self, held: Held) -> Slot[Held] | None:
        """Put a model in service; the one that was is kept.

        Returns the one that was kept before, if any: `retire` it.
        """
        with self._changed:
            displaced = self._former
            self._former, self._active = self._active, Slot(held)
            self._changed.notify_all()
            return displaced

    def retire(self, slot: Slot[Held], timeout_s: float) -> None:
        """Close a model that is in no slot any more, once no request is with it or the time is up."""
        with self._changed:
            self._changed.wait_for(lambda: slot.users == 0, timeout_s)
        slot.held.close()
        # Now, because to give back its memory takes a while, and the caller chose the thread for that.
        del slot.held

    def swap(self) -> None:
        """Put the former model back in service and keep the other."""
        with self._changed:
            if self._former is None:
                message = "there is no former model"
                raise RuntimeError(message)
            self._former, self._active = self._active, self._former
            self._changed.notify_all()

    def free(self, timeout_s: float) -> bool:
        """Close the former model once no request is with it; False if there is none, or it stays busy."""
        with self._changed:
            slot = self._former
            if slot is None:
                return False
            self._changed.wait_for(lambda: slot.users == 0 or self._former is not slot, timeout_s)
            if slot.users or self._former is not slot:  # busy for too long, or put back in service
                return False
            self._former = None
        slot.held.close()
        return True

    def close(self) -> None:
        """Close both."""
        with self._changed:
            slots = [slot for slot in (self._active, self._former) if slot]
        for slot in slots:
            slot.held.close()

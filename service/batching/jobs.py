"""What a request's thread hands to the engine's, and who learns of it."""

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from service.engine import Array, Item

Ticket = TypeVar("Ticket")


class Observer(Protocol[Ticket]):
    """Learns what happens to a request between its thread and the engine's."""

    def queued(self) -> Ticket:
        """Note, in the request's thread, that it begins to wait."""

    def dropped(self, ticket: Ticket) -> None:
        """Note that it waited in vain."""

    def computing(self, tickets: Sequence[Ticket], tokens: int) -> AbstractContextManager[None]:
        """Surround the computation of one batch with requests' items in it."""


class Job(Generic[Ticket]):
    """A request's items on their way; done when all their arrays are there."""

    def __init__(self, items: Sequence[Item], ticket: Ticket) -> None:
        self.items = items
        self.ticket = ticket
        self.future: Future[list[Array]] = Future()
        self._arrays: dict[int, Array] = {}

    def finish(self, index: int, array: Array) -> None:
        """Note one of its arrays."""
        self._arrays[index] = array
        if len(self._arrays) == len(self.items):
            self.future.set_result([self._arrays[number] for number in range(len(self.items))])

    def fail(self, error: Exception) -> None:
        """End it without its arrays, if it has not ended."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(frozen=True)
class Part(Generic[Ticket]):
    """One item of a job."""

    job: Job[Ticket]
    index: int

    @property
    def item(self) -> Item:
        """What is to be computed."""
        return self.job.items[self.index]

"""Single flight within a process: what several threads want at the same time is computed once."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

from service.errors import OutOfTime

T = TypeVar("T")

Lead = Callable[[Sequence[str], float], Mapping[str, T]]
"""Computes keys within a number of seconds."""


class Flights(Generic[T]):
    """Lets the first thread that wants a key compute it, and the others wait for what it finds.

    A failure is told to the thread it happened to, and to no other: among those that waited the next
    one tries. So a request that gives up early spoils nobody's answer.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._under_way: dict[str, Future[T | None]] = {}

    def share(self, keys: Sequence[str], lead: Lead[T], timeout_s: float) -> dict[str, T]:
        """Return what ``keys`` stand for, by ``lead`` or from threads that are at it already.

        Raises:
            OutOfTime: Another thread did not come to an end within ``timeout_s`` seconds.
        """
        deadline = self._clock() + timeout_s
        known: dict[str, T] = {}
        while wanted := [key for key in dict.fromkeys(keys) if key not in known]:
            led, followed = self._board(wanted)
            # Own keys first: two threads that wait for each other's would wait for ever.
            if led:
                known |= self._fly(led, lead, deadline - self._clock())
            known |= self._land(followed, deadline)
        return known

    def _board(self, keys: Sequence[str]) -> tuple[list[str], dict[str, Future[T | None]]]:
        with self._lock:
            followed = {key: self._under_way[key] for key in keys if key in self._under_way}
            led = [key for key in keys if key not in followed]
            self._under_way |= {key: Future() for key in led}
        return led, followed

    def _fly(self, keys: Sequence[str], lead: Lead[T], timeout_s: float) -> Mapping[str, T]:
        found: Mapping[str, T] = {}
        try:
            found = lead(keys, timeout_s)
        finally:
            with self._lock:
                flights = {key: self._under_way.pop(key) for key in keys}
            for key, flight in flights.items():
                flight.set_result(found.get(key))
        return found

    def _land(self, flights: Mapping[str, Future[T | None]], deadline: float) -> dict[str, T]:
        landed = {}
        for key, flight in flights.items():
            try:
                result = flight.result(max(0.0, deadline - self._clock()))
            except TimeoutError:
                message = "another request asked the same and has no answer in time"
                raise OutOfTime(message, 1) from None  # at least: the queue is not known here
            if result is not None:
                landed[key] = result
        return landed

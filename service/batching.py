"""The batcher: one thread computes what many requests wait for."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Generic, Protocol, TypeVar

from service.engine import Array, Item
from service.errors import BatchTooLarge, EngineFailed, Overloaded
from service.policy import Batch, Entry, Limits, Queue

Run = Callable[[Sequence[Item]], Sequence[Array]]
Ticket = TypeVar("Ticket")

log = logging.getLogger(__name__)


_REST = 0.5
"""How long a batcher that gives way leaves the cores alone between batches, in times of what a batch takes:
answers then take up to twice as long as ever. Less makes the other work slow, more the answers."""


class Observer(Protocol[Ticket]):
    """Learns what happens to a request between its thread and the engine's."""

    def queued(self) -> Ticket:
        """Note, in the request's thread, that it begins to wait."""
        ...

    def dropped(self, ticket: Ticket) -> None:
        """Note that it waited in vain."""
        ...

    def computing(self, tickets: Sequence[Ticket], tokens: int) -> AbstractContextManager[None]:
        """Surround the computation of one batch with requests' items in it."""
        ...


class _Job(Generic[Ticket]):
    """A request's items on their way; done when all their arrays are there."""

    def __init__(self, items: Sequence[Item], ticket: Ticket) -> None:
        self.items = items
        self.ticket = ticket
        self.future: Future[list[Array]] = Future()
        self._arrays: dict[int, Array] = {}

    def finish(self, index: int, array: Array) -> None:
        self._arrays[index] = array
        if len(self._arrays) == len(self.items):
            self.future.set_result([self._arrays[number] for number in range(len(self.items))])

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(frozen=True)
class _Part(Generic[Ticket]):
    job: _Job[Ticket]
    index: int

    @property
    def item(self) -> Item:
        return self.job.items[self.index]


class Batcher(Generic[Ticket]):
    """Takes items from request threads and computes them in batches on one thread of its own."""

    def __init__(
        self,
        run: Run,
        limits: Limits,
        *,
        observer: Observer[Ticket],
        clock: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._run = run
        self._sleep = sleep
        self._gives_way = False
        self._queue: Queue[_Part[Ticket]] = Queue(limits)
        self._observer = observer
        self._clock = clock
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._loop, name="inference", daemon=True)
        self._thread.start()

    @property
    def waiting_tokens(self) -> int:
        """Tokens in the queue."""
        return self._queue.tokens

    def compute(self, items: Sequence[Item], timeout_s: float) -> list[Array]:
        """Return an array an item, computed together with whatever else waits.

        Raises:
            Overloaded: The queue is full, or the time is up.
            BatchTooLarge: The items can never fit into the queue.
            EngineFailed: The engine raised.
        """
        job = _Job(items, self._observer.queued())
        deadline = self._clock() + timeout_s
        parts = [Entry(len(item.ids), deadline, _Part(job, index)) for index, item in enumerate(items)]
        self._admit(parts, job)
        try:
            return job.future.result(timeout_s)
        except TimeoutError:
            raise self._late(timeout_s) from None

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Rest after each batch while the block runs, so that work of lower priority gets on too."""
        self._gives_way = True
        try:
            yield
        finally:
            self._gives_way = False

    def close(self) -> None:
        """Finish what waits and end the thread; later calls to `compute` would wait in vain."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _admit(self, parts: Sequence[Entry[_Part[Ticket]]], job: _Job[Ticket]) -> None:
        with self._changed:
            full = self._queue.offer(parts, self._clock())
            if full is None:
                self._changed.notify()
                return
        self._observer.dropped(job.ticket)
        if full.hopeless:
            raise BatchTooLarge(seen=full.reason, needed="a smaller batch", do="split the request")
        raise Overloaded(full.reason, full.retry_after_s)

    def _loop(self) -> None:
        ended = self._clock()
        while (batch := self._next()) is not None:
            for entry in batch.expired:
                self._drop(entry.payload.job)
            if batch.entries:
                began = self._clock()
                self._compute([entry.payload for entry in batch.entries])
                self._rest(idle=began - ended, busy=self._clock() - began)
            ended = self._clock()

    def _next(self) -> Batch[_Part[Ticket]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._queue) > 0)
            return self._queue.take(self._clock()) if len(self._queue) else None

    def _compute(self, parts: Sequence[_Part[Ticket]]) -> None:
        tokens = sum(len(part.item.ids) for part in parts)
        tickets = list({id(part.job): part.job.ticket for part in parts}.values())
        started = self._clock()
        try:
            with self._observer.computing(tickets, tokens):
                arrays = self._run([part.item for part in parts])
        except Exception as error:  # noqa: BLE001 - whatever it is, it may only fail this batch
            self._isolate(parts, error)
            return
        for part, array in zip(parts, arrays, strict=True):
            part.job.finish(part.index, array)
        with self._changed:
            self._queue.observe(tokens, self._clock() - started)

    def _rest(self, *, idle: float, busy: float) -> None:
        """Give way, if that is wanted, unless there was nothing to do for long enough before the batch."""
        if self._gives_way and (missing := busy * _REST - idle) > 0:
            self._sleep(missing)

    def _isolate(self, parts: Sequence[_Part[Ticket]], error: Exception) -> None:
        """Compute the parts of a failed batch one by one, so that one request cannot fail another."""
        log.error("engine failed on a batch of %d texts", len(parts), exc_info=error)
        if len(parts) > 1:
            for part in parts:
                self._compute([part])
        else:
            parts[0].job.fail(EngineFailed("the engine failed on this text; the pod's log has the cause"))

    def _drop(self, job: _Job[Ticket]) -> None:
        if not job.future.done():
            self._observer.dropped(job.ticket)
            job.fail(self._late(0.0))

    def _late(self, waited_s: float) -> Overloaded:
        return Overloaded(
            f"no answer within {waited_s:.1f} s" if waited_s else "deadline passed while queued",
            max(1, round(self._queue.expected_wait_s())),
        )

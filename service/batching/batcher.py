"""The batcher: one thread computes what many requests wait for."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition, Lock, Thread
from typing import Generic

from service.batching.jobs import Job, Observer, Part, Ticket
from service.batching.queue import Batch, Limits, Queue, QueuedItem
from service.engine import Array, Item
from service.errors import BatchTooLarge, EngineFailed, OutOfTime, Overloaded

Run = Callable[[Sequence[Item]], Sequence[Array]]

log = logging.getLogger(__name__)


_REST = 0.25
"""How long a batcher that gives way leaves the cores alone between batches, in times of what a batch takes:
answers then take about one and a half times as long as ever, with twice the rest up to twice as long. With
less, the other work hardly gets on."""


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
        self._queue: Queue[Part[Ticket]] = Queue(limits)
        self._observer = observer
        self._clock = clock
        lock = Lock()
        self._changed = Condition(lock)
        self._room = Condition(lock)
        self._closed = False
        self._thread = Thread(target=self._loop, name="inference", daemon=True)
        self._thread.start()

    @property
    def waiting_tokens(self) -> int:
        """Tokens in the queue."""
        return self._queue.tokens

    def compute(self, items: Sequence[Item], timeout_s: float) -> list[Array]:
        """Return an array an item, computed together with whatever else waits.

        What would fill much of the queue is let in in portions, so that others come in between.

        Raises:
            Overloaded: The queue is full, or what is left would take longer than the time that is left.
            OutOfTime: The time is up.
            BatchTooLarge: An item can never fit into the queue.
            EngineFailed: The engine raised.
        """
        deadline = self._clock() + timeout_s
        sizes = [len(item.ids) for item in items]
        portions = self._queue.portions(sizes)
        if len(portions) == 1:
            return self._computed(items, deadline, later=False)
        arrays: list[Array] = []
        with self._reserved(sum(sizes), timeout_s) as computed:
            for part in portions:
                if arrays:
                    self._require_time(sum(sizes[part.start :]), deadline)
                arrays += self._computed(items[part], deadline, later=bool(arrays))
                computed(sum(sizes[part]))
        return arrays

    def expected_wait_s(self) -> float:
        """Return how long the queue takes to empty at the present rate."""
        return self._queue.expected_wait_s()

    def work_s(self, tokens: int) -> float:
        """Return how long the engine takes for some tokens at the present rate; 0 before any is known."""
        return self._queue.work_s(tokens)

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

    def _computed(self, items: Sequence[Item], deadline: float, *, later: bool) -> list[Array]:
        job = Job(items, self._observer.queued())
        parts = [QueuedItem(len(item.ids), deadline, Part(job, index)) for index, item in enumerate(items)]
        self._admit(parts, job, deadline, later=later)
        timeout_s = deadline - self._clock()
        try:
            return job.future.result(timeout_s)
        except TimeoutError:
            seen = f"no answer within {timeout_s:.1f} s"
            raise self._late(seen) from None

    @contextmanager
    def _reserved(self, tokens: int, patience_s: float) -> Iterator[Callable[[int], None]]:
        """Surround a request that comes in portions; call what is yielded with the tokens of each."""
        with self._changed:
            full = self._queue.reserve(tokens, patience_s)
        if full:
            raise Overloaded(full.reason, full.retry_after_s)
        left = tokens

        def computed(some: int) -> None:
            nonlocal left
            left -= some
            with self._changed:
                self._queue.release(some)

        try:
            yield computed
        finally:
            computed(left)

    def _require_time(self, tokens: int, deadline: float) -> None:
        """Let a request go on if its rest would be computed in time, nobody else being there."""
        needed, left = self._queue.work_s(tokens), deadline - self._clock()
        if needed > left:
            seen = f"about {needed:.1f} s of work and {left:.1f} s are left"
            raise Overloaded(seen, self._retry_after_s())

    def _admit(
        self, parts: Sequence[QueuedItem[Part[Ticket]]], job: Job[Ticket], deadline: float, *, later: bool
    ) -> None:
        """Let a job in; a ``later`` one of a request that is under way waits for room."""
        with self._changed:
            while full := self._queue.offer(parts, self._clock()):
                waits = later and full.crowded
                if not waits or not self._room.wait(deadline - self._clock()):
                    break
            else:
                self._changed.notify()
                return
        self._observer.dropped(job.ticket)
        if full.hopeless:
            raise BatchTooLarge(
                seen=full.reason,
                needed="shorter windows",
                do="send shorter texts, or raise BERTMESH_QUEUE_TOKENS",
            )
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

    def _next(self) -> Batch[Part[Ticket]] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._queue) > 0)
            if not len(self._queue):
                return None
            self._room.notify_all()
            return self._queue.take(self._clock())

    def _compute(self, parts: Sequence[Part[Ticket]]) -> None:
        tokens = sum(len(part.item.ids) for part in parts)
        tickets = list({id(part.job): part.job.ticket for part in parts}.values())
        started = self._clock()
        try:
            with self._observer.computing(tickets, tokens):
                arrays = self._run([part.item for part in parts])
        except Exception as error:  # noqa: BLE001 - whatever it is, it may only fail this batch
            self._isolate(parts, error)
            return
        with self._changed:  # first: who has more to ask decides by the rate
            self._queue.observe(tokens, self._clock() - started)
        for part, array in zip(parts, arrays, strict=True):
            part.job.finish(part.index, array)

    def _rest(self, *, idle: float, busy: float) -> None:
        """Give way, if that is wanted, unless there was nothing to do for long enough before the batch."""
        if self._gives_way and (missing := busy * _REST - idle) > 0:
            self._sleep(missing)

    def _isolate(self, parts: Sequence[Part[Ticket]], error: Exception) -> None:
        """Compute the parts of a failed batch one by one, so that one request cannot fail another."""
        log.error("engine failed on a batch of %d texts", len(parts), exc_info=error)
        if len(parts) > 1:
            for part in parts:
                self._compute([part])
        else:
            parts[0].job.fail(EngineFailed("the engine failed on this text; the pod's log has the cause"))

    def _drop(self, job: Job[Ticket]) -> None:
        if not job.future.done():
            self._observer.dropped(job.ticket)
            job.fail(self._late("deadline passed while queued"))

    def _late(self, seen: str) -> OutOfTime:
        return OutOfTime(seen, self._retry_after_s())

    def _retry_after_s(self) -> int:
        return max(1, math.ceil(self._queue.expected_wait_s()))

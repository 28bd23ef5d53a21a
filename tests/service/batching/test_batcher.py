import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest

from service.batching.batcher import Batcher
from service.batching.queue import Limits
from service.engine import Array, Item, Want
from service.engine.torch import TorchEngine
from service.errors import BatchTooLarge, EngineFailed, Overloaded
from tests.service.conftest import Tiny
from tests.service.tiny import close, random_items
from tests.support.processes import LIMIT_S, wait_until


@dataclass
class Notes:
    """An observer that remembers."""

    dropped_tickets: list[int] = field(default_factory=list)
    batches: list[list[int]] = field(default_factory=list)
    issued: int = 0

    def queued(self) -> int:
        self.issued += 1
        return self.issued

    def dropped(self, ticket: int) -> None:
        self.dropped_tickets.append(ticket)

    @contextmanager
    def computing(self, tickets: Sequence[int], tokens: int) -> Iterator[None]:
        assert tokens > 0
        self.batches.append(list(tickets))
        yield


class Gate:
    """An engine that waits for the test: each item's answer is its ids, doubled."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.busy = threading.Event()
        self.computed: list[int] = []

    def run(self, items: Sequence[Item]) -> list[Array]:
        self.busy.set()
        assert self.open.wait(LIMIT_S)
        self.computed += [item.ids[0] for item in items]
        if any(13 in item.ids for item in items):
            message = "bad luck"
            raise ValueError(message)
        return [np.array(item.ids, dtype=np.float32) * 2 for item in items]


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def item(*ids: int) -> Item:
    return Item(ids, Want.FIRST)


@contextmanager
def batcher(
    run: Callable[[Sequence[Item]], Sequence[Array]],
    limits: Limits | None = None,
    clock: Callable[[], float] | None = None,
) -> Iterator[tuple[Batcher[int], Notes]]:
    notes = Notes()
    made = Batcher(run, limits or Limits(), observer=notes, clock=clock or Clock())
    try:
        yield made, notes
    finally:
        made.close()


def test_under_random_concurrency_each_answer_equals_its_solo_answer(tiny: Tiny) -> None:
    engine = TorchEngine.load(tiny.folder, threads=1)
    items = random_items(240, seed=3)
    solo = [engine.run([alone])[0] for alone in items]
    random = Random(5)
    requests = []
    while items:
        size = min(random.choice([1, 1, 1, 2, 5, 20]), len(items))
        requests.append((items[:size], solo[:size]))
        items, solo = items[size:], solo[size:]
    limits = Limits(batch_tokens=400, queue_tokens=10**6, queue_items=10**4)
    with batcher(engine.run, limits) as (made, notes), ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda request: made.compute(request[0], 30.0), requests))
    assert max(len(batch) for batch in notes.batches) > 1
    for (_, needed), seen in zip(requests, answers, strict=True):
        assert all(close(one, other) for one, other in zip(seen, needed, strict=True))


def test_what_waits_while_the_engine_is_busy_is_computed_together() -> None:
    gate = Gate()
    with batcher(gate.run) as (made, notes), ThreadPoolExecutor(8) as pool:
        first = pool.submit(made.compute, [item(1)], 30.0)
        assert gate.busy.wait(LIMIT_S)
        others = [pool.submit(made.compute, [item(number)], 30.0) for number in (2, 3, 4)]
        while made.waiting_tokens < 3:
            threading.Event().wait(0.001)
        gate.open.set()
        assert [future.result()[0].tolist() for future in (first, *others)] == [[2], [4], [6], [8]]
    assert [len(batch) for batch in notes.batches] == [1, 3]


def test_a_request_that_breaks_the_engine_fails_alone() -> None:
    gate = Gate()
    with batcher(gate.run) as (made, _), ThreadPoolExecutor(8) as pool:
        first = pool.submit(made.compute, [item(1)], 30.0)
        assert gate.busy.wait(LIMIT_S)
        bad = pool.submit(made.compute, [item(13), item(5)], 30.0)
        good = pool.submit(made.compute, [item(6), item(7)], 30.0)
        while made.waiting_tokens < 4:
            threading.Event().wait(0.001)
        gate.open.set()
        assert first.result()[0].tolist() == [2]
        assert [array.tolist() for array in good.result()] == [[12], [14]]
        with pytest.raises(EngineFailed, match="the pod's log has the cause"):
            bad.result()


def test_a_full_queue_refuses_with_a_time_to_come_back() -> None:
    gate = Gate()
    limits = Limits(batch_tokens=1, queue_tokens=2, queue_items=8)
    with batcher(gate.run, limits) as (made, notes), ThreadPoolExecutor(8) as pool:
        held = [pool.submit(made.compute, [item(1)], 30.0)]
        assert gate.busy.wait(LIMIT_S)
        held.append(pool.submit(made.compute, [item(2, 2)], 30.0))
        while made.waiting_tokens < 2:
            threading.Event().wait(0.001)
        with pytest.raises(Overloaded) as refused:
            made.compute([item(3)], 30.0)
        gate.open.set()
        assert [len(future.result()) for future in held] == [1, 1]
    assert refused.value.headers == {"Retry-After": "1"}
    assert len(notes.dropped_tickets) == 1


def test_a_window_larger_than_the_queue_is_told_so() -> None:
    with (
        batcher(Gate().run, Limits(queue_tokens=2)) as (made, _),
        pytest.raises(BatchTooLarge, match="3 tokens in 1 windows, 2 in 256 at most; shorter windows needed"),
    ):
        made.compute([item(1, 2, 3)], 30.0)


SMALL = Limits(batch_tokens=4, queue_tokens=8, queue_items=4)


def test_a_request_larger_than_the_queue_is_computed_in_portions() -> None:
    gate = Gate()
    gate.open.set()
    with batcher(gate.run, SMALL) as (made, _):
        seen = made.compute([item(number, number) for number in range(100, 140)], 30.0)
    assert [array.tolist() for array in seen] == [[2 * number] * 2 for number in range(100, 140)]


def test_between_the_portions_of_a_large_request_others_come_in() -> None:
    gate = Gate()
    with batcher(gate.run, SMALL) as (made, _), ThreadPoolExecutor(8) as pool:
        large = pool.submit(made.compute, [item(number) for number in range(100, 140)], 30.0)
        assert gate.busy.wait(LIMIT_S)
        before = made.waiting_tokens
        small = pool.submit(made.compute, [item(1)], 30.0)
        wait_until(lambda: made.waiting_tokens > before, "the small one waits")
        gate.open.set()
        assert small.result()[0].tolist() == [2]
        assert len(large.result()) == 40
    assert gate.computed.index(1) < gate.computed.index(139)


def test_a_large_request_whose_rest_would_be_late_is_broken_off_after_its_first_portion() -> None:
    clock = Clock()

    def run(items: Sequence[Item]) -> list[Array]:
        clock.now += 1.0 * len(items)
        return [np.zeros(1, np.float32) for _ in items]

    with batcher(run, SMALL, clock) as (made, notes):
        with pytest.raises(Overloaded, match=r"about 38\.0 s of work and 3\.0 s are left"):
            made.compute([item(number) for number in range(40)], 5.0)
        assert made.work_s(40) == pytest.approx(40)
    assert len(notes.batches) == 1


def test_a_second_large_request_does_not_make_the_first_one_late() -> None:
    gate = Gate()
    gate.open.set()
    clock = Clock()

    def run(items: Sequence[Item]) -> list[Array]:
        clock.now += 0.1 * len(items)
        return gate.run(items)

    with batcher(run, SMALL, clock) as (made, _), ThreadPoolExecutor(2) as pool:
        made.compute([item(100)], 30.0)
        gate.open.clear()
        gate.busy.clear()
        first = pool.submit(made.compute, [item(number) for number in range(100, 130)], 5.0)
        assert gate.busy.wait(LIMIT_S)
        with pytest.raises(Overloaded, match="30 tokens of large requests are under way, about 3") as refused:
            made.compute([item(number) for number in range(100, 130)], 5.0)
        gate.open.set()
        assert len(first.result()) == 30
        assert len(made.compute([item(number) for number in range(100, 130)], 5.0)) == 30
    assert refused.value.retry_after_s in (3, 4)


def test_a_request_whose_deadline_has_passed_is_not_computed() -> None:
    gate, clock = Gate(), Clock()
    with batcher(gate.run, clock=clock) as (made, notes), ThreadPoolExecutor(8) as pool:
        first = pool.submit(made.compute, [item(1)], 30.0)
        assert gate.busy.wait(LIMIT_S)
        late = pool.submit(made.compute, [item(2), item(3)], 20.0)
        while made.waiting_tokens < 2:
            threading.Event().wait(0.001)
        clock.now = 25.0
        gate.open.set()
        assert first.result()[0].tolist() == [2]
        with pytest.raises(Overloaded, match="deadline passed while queued"):
            late.result()
    assert notes.batches == [[1]]
    assert notes.dropped_tickets == [2]


def test_nobody_waits_longer_than_the_deadline_for_an_engine_that_hangs() -> None:
    gate = Gate()
    with batcher(gate.run) as (made, _):
        with pytest.raises(Overloaded, match=r"no answer within 0\.1 s"):
            made.compute([item(1)], 0.05)
        gate.open.set()


def test_it_rests_between_batches_only_while_it_gives_way() -> None:
    clock = Clock()
    rests: list[float] = []

    def compute(items: Sequence[Item]) -> list[Array]:
        clock.now += 2.0
        return [np.zeros(1, np.float32) for _ in items]

    made = Batcher(compute, Limits(), observer=Notes(), clock=clock, sleep=rests.append)
    made.compute([item(1)], 30.0)
    with made.giving_way():
        made.compute([item(2)], 30.0)
        made.compute([item(3)], 30.0)
        wait_until(lambda: len(rests) == 2, "it has rested twice")
    made.compute([item(4)], 30.0)
    made.close()
    assert len(rests) == 2
    assert all(0 < rest < 2.0 for rest in rests)


def test_it_does_not_rest_after_a_batch_that_it_had_to_wait_for() -> None:
    clock = Clock()
    rests: list[float] = []
    waiting = threading.Event()

    def read() -> float:
        now = clock.now
        if threading.current_thread().name == "inference":
            waiting.set()  # it reads the clock last before it waits
        return now

    def compute(items: Sequence[Item]) -> list[Array]:
        clock.now += 2.0
        return [np.zeros(1, np.float32) for _ in items]

    made = Batcher(compute, Limits(), observer=Notes(), clock=read, sleep=rests.append)
    with made.giving_way():
        assert waiting.wait(LIMIT_S)
        clock.now += 10.0
        made.compute([item(1)], 30.0)
        made.compute([item(2)], 30.0)
        wait_until(lambda: len(rests) == 1, "it has rested")
        made.close()
    assert len(rests) == 1


def test_closing_finishes_what_was_let_in() -> None:
    gate = Gate()
    gate.open.set()
    with batcher(gate.run) as (made, _), ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(made.compute, [item(number)], 30.0) for number in range(8)]
        answers = [future.result()[0].tolist() for future in futures]
    assert answers == [[number * 2] for number in range(8)]

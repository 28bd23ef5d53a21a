from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.batching.queue import Limits, Queue, QueuedItem

LIMITS = Limits(batch_tokens=100, queue_tokens=300, queue_items=8)
SIZES = st.lists(st.integers(1, 130), min_size=1, max_size=4)


def entries(*sizes: int, deadline: float = 1000.0) -> list[QueuedItem[int]]:
    return [QueuedItem(size, deadline, index) for index, size in enumerate(sizes)]


@dataclass
class Seen:
    """What went in and what came out, in order."""

    admitted: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)


class QueueMachine(RuleBasedStateMachine):
    """Any order of offers, batches, passing time and rates."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: Queue[int] = Queue(LIMITS)
        self.now = 0.0
        self.seen = Seen()
        self.waiting: list[QueuedItem[int]] = []
        self.number = 0

    @rule(sizes=SIZES, patience=st.floats(0.5, 20))
    def offer(self, sizes: list[int], patience: float) -> None:
        deadline = self.now + patience
        fresh = [QueuedItem(size, deadline, self.number + index) for index, size in enumerate(sizes)]
        self.number += len(fresh)
        full = self.queue.offer(fresh, self.now)
        if full is None:
            self.waiting += fresh
            self.seen.admitted += [entry.payload for entry in fresh]
        else:
            assert full.reason
            assert full.hopeless or full.retry_after_s >= 1

    @precondition(lambda self: self.waiting)
    @rule()
    def take(self) -> None:
        batch = self.queue.take(self.now)
        assert all(entry.deadline > self.now for entry in batch.entries)
        assert all(entry.deadline <= self.now for entry in batch.expired)
        assert batch.entries or len(batch.expired) == len(self.waiting)
        size = sum(entry.tokens for entry in batch.entries)
        assert len(batch.entries) <= 1 or size <= LIMITS.batch_tokens
        gone = sorted(entry.payload for entry in (*batch.entries, *batch.expired))
        self.seen.left += gone
        del self.waiting[: len(gone)]

    @rule(seconds=st.floats(0, 5))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(tokens=st.integers(1, 100), seconds=st.floats(0.001, 10))
    def observe(self, tokens: int, seconds: float) -> None:
        self.queue.observe(tokens, seconds)

    @invariant()
    def items_leave_once_and_in_the_order_of_their_arrival(self) -> None:
        assert self.seen.admitted == self.seen.left + [entry.payload for entry in self.waiting]

    @invariant()
    def the_count_of_tokens_is_that_of_what_waits_and_within_bounds(self) -> None:
        assert self.queue.tokens == sum(entry.tokens for entry in self.waiting) <= LIMITS.queue_tokens
        assert len(self.queue) == len(self.waiting) <= LIMITS.queue_items


TestQueue = QueueMachine.TestCase


@given(size=st.integers(1, LIMITS.queue_tokens))
def test_an_idle_engine_takes_what_comes_at_once_and_whatever_its_size(size: int) -> None:
    queue: Queue[int] = Queue(LIMITS)
    assert queue.offer(entries(size), now=0.0) is None
    assert len(queue.take(now=0.0).entries) == 1


def test_a_request_is_let_in_whole_or_not_at_all() -> None:
    queue: Queue[int] = Queue(LIMITS)
    queue.offer(entries(100, 100), now=0.0)
    assert queue.offer(entries(60, 60), now=0.0) is not None
    assert queue.tokens == 200


def test_a_request_larger_than_the_queue_need_not_come_back() -> None:
    full = Queue[int](LIMITS).offer(entries(200, 200), now=0.0)
    assert full is not None
    assert full.hopeless


@given(sizes=st.lists(st.integers(1, LIMITS.queue_tokens), min_size=1, max_size=40))
def test_portions_are_all_of_a_request_in_order_and_each_can_be_let_in(sizes: list[int]) -> None:
    queue: Queue[int] = Queue(LIMITS)
    portions = [sizes[part] for part in queue.portions(sizes)]
    assert [size for portion in portions for size in portion] == sizes
    assert all(Queue[int](LIMITS).offer(entries(*portion), now=0.0) is None for portion in portions)
    assert all(len(part) == 1 or sum(part) <= LIMITS.queue_tokens // 4 for part in portions)


def test_retry_after_is_the_time_the_queue_needs_at_the_present_rate() -> None:
    queue: Queue[int] = Queue(LIMITS)
    queue.observe(tokens=100, seconds=2.0)
    queue.offer(entries(100, 100), now=0.0)
    full = queue.offer(entries(150), now=0.0)
    assert full is not None
    assert full.retry_after_s == 4


def test_a_request_that_would_wait_past_its_deadline_is_refused_at_once() -> None:
    queue: Queue[int] = Queue(LIMITS)
    queue.observe(tokens=10, seconds=1.0)
    queue.offer(entries(100), now=0.0)
    assert queue.offer(entries(10, deadline=9.0), now=0.0) is not None
    assert queue.offer(entries(10, deadline=11.0), now=0.0) is None


def test_a_slow_engine_gets_smaller_batches_so_that_nobody_waits_long_for_the_end_of_one() -> None:
    slow, fast = (queue_of(Limits(batch_tokens=1000), texts=40, tokens=50) for _ in range(2))
    slow.observe(tokens=1000, seconds=1.0)
    fast.observe(tokens=1000, seconds=0.1)
    assert taken(slow) == 250
    assert taken(fast) == 1000


def queue_of(limits: Limits, texts: int, tokens: int) -> Queue[int]:
    queue: Queue[int] = Queue(limits)
    assert queue.offer([QueuedItem(tokens, 10.0, number) for number in range(texts)], 0.0) is None
    return queue


def taken(queue: Queue[int]) -> int:
    return sum(entry.tokens for entry in queue.take(0.0).entries)

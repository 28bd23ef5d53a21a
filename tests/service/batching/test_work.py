"""Who is at fault when a request is not answered in time."""

from collections.abc import Sequence

import pytest

from service.batching.deadline import Deadline
from service.batching.work import Work
from service.engine import Array, Item, Want
from service.errors import BatchTooLarge, DeadlinePassed, OutOfTime, Overloaded

LIMIT_S = 4.5


class Engine:
    """Computes a thousand tokens a second, with 6.5 s of work in its queue."""

    def __init__(self, error: Overloaded) -> None:
        self.error = error

    def compute(self, items: Sequence[Item], timeout_s: float) -> list[Array]:
        assert items
        assert timeout_s > 0
        raise self.error

    def expected_wait_s(self) -> float:
        return 6.5

    def work_s(self, tokens: int) -> float:
        return tokens / 1000


def verdict(error: Overloaded, *, tokens: int, asked_ms: int | None = None) -> Exception:
    header = None if asked_ms is None else str(asked_ms)
    work = Work(Engine(error), Deadline.starting(lambda: 0.0, 0.0, LIMIT_S, header))
    with pytest.raises(Overloaded):
        work.compute([Item((1,) * (tokens // 2), Want.FIRST)] * 2)
    return work.verdict(error, LIMIT_S)


def test_a_small_request_is_told_to_come_back_when_the_queue_will_be_empty() -> None:
    told = verdict(OutOfTime("no answer within 1.0 s", 1), tokens=100)
    assert isinstance(told, OutOfTime)
    assert "no answer within 4.5 s to 100 tokens in 2 windows, about 0.1 s of work" in str(told)
    assert told.headers == {"Retry-After": "7"}


def test_a_full_queue_is_told_as_the_queue_tells_it() -> None:
    told = verdict(Overloaded("512 tokens in 4 windows wait", 9), tokens=100)
    assert str(told).startswith("512 tokens in 4 windows wait; a shorter queue needed: try again in 9 s")


def test_a_request_that_needs_most_of_the_time_for_itself_is_told_to_become_smaller() -> None:
    told = verdict(OutOfTime("no answer within 1.0 s", 1), tokens=6000)
    assert isinstance(told, BatchTooLarge)
    assert str(told).startswith(
        "6,000 tokens in 2 windows, about 6.0 s of work at the present rate, which is not"
    )


def test_a_client_whose_own_time_is_up_is_told_that_whatever_the_size_and_the_queue() -> None:
    for tokens in (100, 6000):
        told = verdict(OutOfTime("another request asked the same", 1), tokens=tokens, asked_ms=50)
        assert isinstance(told, DeadlinePassed)


def test_a_client_that_gives_a_request_less_time_than_its_work_takes_is_told_that_too() -> None:
    told = verdict(Overloaded("about 2.0 s of work and 0.3 s are left", 1), tokens=3000, asked_ms=500)
    assert isinstance(told, DeadlinePassed)


def test_a_queue_that_is_longer_than_the_clients_time_is_overload() -> None:
    told = verdict(Overloaded("5,000 tokens in 40 windows wait", 5), tokens=100, asked_ms=500)
    assert isinstance(told, Overloaded)

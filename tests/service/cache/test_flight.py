from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event, Lock
from time import monotonic

import pytest

from service.cache.flight import Flights
from service.errors import Overloaded
from tests.support.processes import LIMIT_S, wait_until


class CountingClock:
    """A clock that knows how often it was read: a thread reads it when it comes, and when it has boarded."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.reads = 0

    def __call__(self) -> float:
        with self._lock:
            self.reads += 1
        return monotonic()


Lead = Callable[[Sequence[str], float], Mapping[str, str]]


def slowly(computed: Counter[str], gate: Event | None = None) -> Lead:
    lock = Lock()

    def lead(keys: Sequence[str], timeout_s: float) -> Mapping[str, str]:
        assert timeout_s > 0
        with lock:
            computed.update(keys)
        if gate:
            assert gate.wait(LIMIT_S)
        return {key: key.upper() for key in keys}

    return lead


def test_what_many_threads_want_at_once_is_computed_once() -> None:
    clock = CountingClock()
    flights: Flights[str] = Flights(clock)
    computed: Counter[str] = Counter()
    gate = Event()
    lead = slowly(computed, gate)

    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(flights.share, ["a", "b"], lead, 20) for _ in range(16)]
        wait_until(lambda: clock.reads == 2 * 16, "one computes and the others wait")
        gate.set()
        assert all(answer.result() == {"a": "A", "b": "B"} for answer in answers)
    assert computed == {"a": 1, "b": 1}


def test_threads_that_want_overlapping_keys_never_wait_for_each_other_in_a_circle() -> None:
    flights: Flights[str] = Flights(monotonic)
    lead = slowly(Counter())
    random = Random(1)
    wanted = [random.sample("abcdefgh", random.randint(1, 8)) for _ in range(300)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda keys: flights.share(keys, lead, 20), wanted))
    assert answers == [{key: key.upper() for key in keys} for keys in wanted]


def test_a_failure_is_told_to_its_own_thread_and_the_next_one_tries() -> None:
    flights: Flights[str] = Flights(monotonic)
    under_way, gate = Event(), Event()

    def fails(_keys: Sequence[str], _timeout_s: float) -> Mapping[str, str]:
        under_way.set()
        assert gate.wait(LIMIT_S)
        raise ZeroDivisionError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flights.share, ["a"], fails, 20)
        assert under_way.wait(LIMIT_S)
        second = pool.submit(flights.share, ["a"], slowly(Counter()), 20)
        gate.set()
        assert second.result() == {"a": "A"}
        with pytest.raises(ZeroDivisionError):
            first.result()


def test_nobody_waits_longer_than_his_own_time() -> None:
    flights: Flights[str] = Flights(monotonic)
    computed: Counter[str] = Counter()
    gate = Event()
    lead = slowly(computed, gate)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(flights.share, ["a"], lead, 20)
        wait_until(lambda: computed, "one computes")
        with pytest.raises(Overloaded, match="asked the same"):
            flights.share(["a"], lead, 0.01)
        gate.set()
        assert first.result() == {"a": "A"}

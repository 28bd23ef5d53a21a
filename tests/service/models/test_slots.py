from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import pytest

from service.models.slots import Slots
from tests.support.processes import LIMIT_S


@dataclass
class Thing:
    """Something in a slot that knows whether it was closed."""

    name: str
    closed: bool = False

    def close(self) -> None:
        self.closed = True


def two() -> tuple[Slots[Thing], Thing, Thing]:
    slots: Slots[Thing] = Slots()
    old, new = Thing("old"), Thing("new")
    slots.put(old)
    slots.put(new)
    return slots, old, new


def begun(pool: ThreadPoolExecutor, slots: Slots[Thing], model: Thing, over: Event) -> Future[bool]:
    """Begin a request; at its end it says whether the model was closed meanwhile."""
    pinned = Event()

    def request() -> bool:
        with slots.pinned():
            pinned.set()
            assert over.wait(LIMIT_S)
            return model.closed

    future = pool.submit(request)
    assert pinned.wait(LIMIT_S)
    return future


def test_the_newest_answers_and_the_former_is_kept() -> None:
    slots, old, new = two()
    assert (slots.active, slots.newest, slots.former) == (new, new, old)


def test_a_swap_and_another_lead_back_to_where_it_was() -> None:
    slots, old, new = two()
    slots.swap()
    assert (slots.active, slots.former) == (old, new)
    slots.swap()
    assert (slots.active, slots.former) == (new, old)


def test_a_request_stays_with_the_model_it_began_with() -> None:
    slots, old, new = two()
    with slots.pinned():
        slots.swap()
        assert slots.active is new
        assert slots.newest is old
        with slots.pinned():
            assert slots.active is old
        assert slots.active is new
    assert slots.active is old


def test_a_model_is_not_freed_under_a_request() -> None:
    slots, old, _new = two()
    slots.swap()
    over = Event()
    with ThreadPoolExecutor(2) as pool:
        asked = begun(pool, slots, old, over)
        slots.swap()
        assert not slots.free(timeout_s=0.01)
        freed = pool.submit(slots.free, 20)
        over.set()
        assert not asked.result()
        assert freed.result()
    assert old.closed
    assert slots.former is None


def test_a_third_model_displaces_the_former_which_is_closed_once_no_request_is_with_it() -> None:
    slots, old, new = two()
    slots.swap()
    over = Event()
    with ThreadPoolExecutor(2) as pool:
        asked = begun(pool, slots, old, over)
        slots.swap()
        third = Thing("third")
        displaced = slots.put(third)
        assert displaced
        assert (slots.active, slots.former) == (third, new)
        retired = pool.submit(slots.retire, displaced, 20)
        over.set()
        assert not asked.result()
        retired.result()
    assert old.closed


def test_a_model_that_a_request_does_not_leave_is_closed_when_the_time_is_up() -> None:
    slots, old, _new = two()
    slots.swap()
    with slots.pinned():
        slots.swap()
        displaced = slots.put(Thing("third"))
        assert displaced
        slots.retire(displaced, timeout_s=0.01)
    assert old.closed


def test_without_a_former_model_there_is_no_way_back_and_nothing_to_free() -> None:
    slots: Slots[Thing] = Slots()
    assert slots.active is None
    slots.put(Thing("only"))
    assert not slots.free(1)
    with pytest.raises(RuntimeError, match="no former model"):
        slots.swap()


def test_at_the_end_both_are_closed() -> None:
    slots, old, new = two()
    slots.close()
    assert (old.closed, new.closed) == (True, True)

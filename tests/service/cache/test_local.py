import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from service.cache.local import ENTRY_BYTES, LocalAnswers

KEY = "bertmesh:answer:feature-extraction:{:040d}"


@given(
    steps=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.binary(max_size=200)), max_size=50),
    room=st.integers(0, 5 * ENTRY_BYTES),
)
def test_whatever_is_kept_is_what_was_put_last_and_never_takes_more_than_its_room(
    steps: list[tuple[str, bytes]], room: int
) -> None:
    local, put = LocalAnswers(room), {}
    for key, content in steps:
        local.put({key: content})
        put[key] = content
        assert local.taken_bytes <= room
        assert local.get([key]) == [content if len(content) + ENTRY_BYTES <= room else local.get([key])[0]]
    assert all(found in (None, put[key]) for key, found in zip(put, local.get(list(put)), strict=True))


def test_what_was_used_last_stays() -> None:
    local = LocalAnswers(2 * (ENTRY_BYTES + 1))
    local.put({"a": b"1", "b": b"2"})
    local.get(["a"])
    local.put({"c": b"3"})
    assert local.get(["a", "b", "c"]) == [b"1", None, b"3"]


def test_an_entry_is_counted_with_about_the_memory_that_it_takes() -> None:
    tracemalloc.start()
    try:
        local = LocalAnswers(1 << 30)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(20_000):
            local.put({KEY.format(number): bytes(513)})
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.8 < local.taken_bytes / taken < 1.25


def test_small_answers_that_come_and_go_take_no_more_memory_than_they_may() -> None:
    room = 1 << 20
    tracemalloc.start()
    try:
        local = LocalAnswers(room)
        before = tracemalloc.get_traced_memory()[0]
        for number in range(10_000):
            local.put({KEY.format(number): bytes(20)})
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.5 * room < taken <= room

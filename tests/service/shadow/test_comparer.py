"""Comparing aside of the requests: whatever comes first, bounded, and without Redis."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import StoreDown
from service.shadow.comparer import WORST, Bounds, CanaryAnswer, Comparer, StableAnswer
from service.shadow.redis import Example
from service.tasks.agreement import Agreement
from service.tasks.base import Query
from service.tasks.similarity import Likeness, Similarity

QUERY = Query("我的密码是[MASK]。")
BOUNDS = Bounds(waiting=8, at_once=4)


@dataclass
class FakeBoard:
    """Keeps what Redis would; ``down`` makes it fail."""

    notes: dict[str, bytes] = field(default_factory=dict)
    worst: dict[str, list[Example]] = field(default_factory=dict)
    down: bool = False

    def post(self, notes: Mapping[str, bytes], ttl_s: float) -> None:
        assert ttl_s > 0
        self._check()
        self.notes |= notes

    def take(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        self._check()
        return [self.notes.pop(key, None) for key in keys]

    def show(self, canary: str, examples: Sequence[Example], limit: int) -> None:
        self._check()
        both = {(each.severity, each.document) for each in [*self.worst.get(canary, []), *examples]}
        self.worst[canary] = [Example(*row) for row in sorted(both)[-limit:]]

    def _check(self) -> None:
        if self.down:
            raise StoreDown(ConnectionRefusedError("gone"))


@dataclass
class FakeTally:
    counts: Counter[str] = field(default_factory=Counter)

    def compared(self, canary: str, task: str, agreement: Agreement) -> None:
        del canary, task
        self.counts["compared"] += 1
        self.counts["disagreed"] += agreement.disagreed

    def unmatched(self, canary: str, copies: int) -> None:
        del canary
        self.counts["unmatched"] += copies

    def dropped(self, side: str, count: int) -> None:
        self.counts[f"dropped {side}"] += count


@dataclass
class Office:
    """A comparer with its surroundings."""

    texts: bool = False
    bounds: Bounds = BOUNDS
    board: FakeBoard = field(default_factory=FakeBoard)
    tally: FakeTally = field(default_factory=FakeTally)
    comparer: Comparer = field(init=False)

    def __post_init__(self) -> None:
        self.comparer = Comparer(
            self.board, self.tally, lambda: 1000.0, "bert-1.1-0", self.texts, self.bounds
        )

    def shown(self, canary: str = "1.1") -> list[dict[str, Any]]:
        return [orjson.loads(each.document) for each in self.board.worst.get(canary, [])]


def note(key: str, answer: float = 0.9) -> StableAnswer:
    return StableAnswer(key, "1.0", Likeness(answer))


def copy(key: str, answer: float | None = 0.9, at: float = 0.0) -> CanaryAnswer:
    told = None if answer is None else Likeness(answer)
    return CanaryAnswer(key, "1.1", Similarity(), QUERY, told, f"id-{key}", "trace", at=at, due=at)


@given(st.permutations([*map(note, "abc"), *map(copy, "abc")]), st.sampled_from(["at once", "one by one"]))
def test_in_whatever_order_notes_and_copies_arrive_all_are_compared_once(
    cases: list[StableAnswer | CanaryAnswer], arriving: str
) -> None:
    office = Office()
    for at, case in enumerate(cases):
        office.comparer.put(case)
        if arriving == "one by one":
            office.comparer.turn(at / 100)
    for at in range(20):
        office.comparer.turn(1 + at / 4)
    assert office.tally.counts == {"compared": 3, "disagreed": 0}
    assert office.board.notes == {}


@given(st.lists(st.floats(0.3, 0.9), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_the_worst_are_kept_in_whatever_order_they_come(apart: list[float], random: Any) -> None:  # noqa: ANN401 - hypothesis' Random
    kept = []
    for order in (apart, random.sample(apart, len(apart))):
        office = Office(bounds=Bounds())
        for number, each in enumerate(order):
            office.comparer.put(note(str(number), 0.0))
            office.comparer.put(copy(str(number), each))
            office.comparer.turn(0.0)
        kept.append([row["severity"] for row in office.shown()])
    assert kept[0] == kept[1]
    assert len(kept[0]) == min(WORST, len(apart))


@given(st.lists(st.sampled_from("nc"), max_size=40))
def test_what_waits_is_bounded_and_what_finds_no_room_is_counted(kinds: list[str]) -> None:
    office = Office()
    for number, kind in enumerate(kinds):
        office.comparer.put(note(f"n{number}") if kind == "n" else copy(f"c{number}"))
    notes, copies = kinds.count("n"), kinds.count("c")
    assert office.tally.counts["dropped stable"] == max(0, notes - BOUNDS.waiting)
    assert office.tally.counts["dropped canary"] == max(0, copies - BOUNDS.waiting)
    while office.comparer.turn(0.0) == 0.0:
        pass
    assert len(office.board.notes) == min(notes, BOUNDS.waiting)


def test_a_copy_whose_note_never_comes_is_let_go_and_counted() -> None:
    office = Office()
    office.comparer.put(copy("a"))
    due: float | None = 0.0
    turns = 0
    while due is not None:
        due = office.comparer.turn(due)
        turns += 1
    assert office.tally.counts == {"unmatched": 1}
    assert turns < 20


def test_a_canary_that_fails_where_the_stable_answers_disagrees() -> None:
    office = Office()
    office.comparer.put(note("a"))
    office.comparer.put(copy("a", None))
    office.comparer.turn(0.0)
    assert office.tally.counts == {"compared": 1, "disagreed": 1}
    assert office.shown()[0]["sentence"] == "the canary failed where the stable answered"


def test_where_the_stable_failed_nothing_is_compared() -> None:
    office = Office()
    office.comparer.put(copy("a", None))
    for at in range(10):
        office.comparer.turn(float(at))
    assert office.tally.counts == {"unmatched": 1}


@pytest.mark.parametrize("wanted", ["", "1"])
def test_texts_are_kept_only_where_somebody_said_so(wanted: str) -> None:
    texts = bool(wanted)
    office = Office(texts=texts)
    office.comparer.put(note("a", 0.1))
    office.comparer.put(copy("a", 0.9))
    office.comparer.turn(0.0)
    [example] = office.shown()
    assert example["text"] == (QUERY.text if texts else "")
    assert example["about"].startswith("12 characters, sha256 ")
    assert ("密码" in str(example)) == texts
    assert (example["request_id"], example["trace_id"]) == ("id-a", "trace")
    assert (example["stable"], example["stable_answer"]) == ("1.0", "0.100")
    assert (example["canary"], example["canary_answer"]) == ("1.1", "0.900")


def test_an_example_is_small_however_long_the_text_is() -> None:
    office = Office(texts=True)
    office.comparer.put(note("a", 0.1))
    long = copy("a", 0.9)
    office.comparer.put(
        replace(long, query=Query("很" * 8000, "长" * 8000), request_id="i" * 128, trace_id="t" * 32)
    )
    office.comparer.turn(0.0)
    assert len(office.board.worst["1.1"][0].document) < 4096


def test_without_redis_notes_are_dropped_and_copies_wait_for_it() -> None:
    office = Office()
    office.board.down = True
    office.comparer.put(note("a"))
    office.comparer.put(note("b"))
    office.comparer.put(copy("b"))
    due = office.comparer.turn(0.0)
    assert due is not None
    assert due > 0.1
    assert office.tally.counts == {"dropped stable": 2}
    office.board.down = False
    office.comparer.put(note("b"))
    office.comparer.turn(due)
    assert office.tally.counts == {"dropped stable": 2, "compared": 1, "disagreed": 0}


@pytest.mark.parametrize("content", [b"nonsense", b"", b"{", b"null", b"{}", b'"text"', b"2.0"])
def test_a_note_that_nobody_can_read_is_not_compared(content: bytes) -> None:
    office = Office()
    office.board.notes["a"] = b"1.0\n" + content
    office.comparer.put(copy("a"))
    office.comparer.turn(0.0)
    assert office.tally.counts == {}

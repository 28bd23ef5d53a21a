from collections.abc import Callable
from threading import Event, Thread

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from service.engine.replay import Replays, Sizes, Work
from tests.service.engine.tape import Tape
from tests.support.processes import LIMIT_S

WIDTH = 3


def replays(capture: Callable[[Work], Callable[[], None]] = Tape.capture) -> Replays:
    sizes = Sizes(positions=64, tokens=256)
    return Replays(capture, sizes, torch.empty(sizes.tokens, WIDTH))


def compute(ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Make states that tell ids and lengths from each other."""
    return (ids + 1000 * lengths[:, None])[..., None].float() * torch.tensor([1.0, 2.0, 3.0])


def drawn(texts: int, length: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 100, (texts, length), generator=random)
    return ids, torch.randint(1, length + 1, (texts,), generator=random)


class Counting:
    """Records, and counts how often."""

    def __init__(self) -> None:
        self.recordings = 0

    def __call__(self, work: Work) -> Callable[[], None]:
        self.recordings += 1
        return Tape.capture(work)


PASSES = st.lists(st.tuples(st.integers(1, 16), st.integers(1, 64), st.integers(0, 9)), max_size=12)


@given(passes=PASSES)
def test_replayed_passes_of_any_order_compute_what_they_would_unrecorded(
    passes: list[tuple[int, int, int]],
) -> None:
    capture = Counting()
    recorded = replays(capture)
    met = set()
    for texts, longest, seed in passes:
        size = recorded.sizes.of(texts, longest)
        if size:
            met.add(size)
            given_ = drawn(*size, seed)
            assert torch.equal(recorded.run(compute, *given_), compute(*given_))
    assert capture.recordings == len(met)


def test_a_result_stays_as_it_is_when_the_next_is_computed() -> None:
    recorded = replays()
    one, other = drawn(4, 16, 1), drawn(4, 16, 2)
    kept = recorded.run(compute, *one)
    recorded.run(compute, *other)
    recorded.run(compute, *drawn(2, 64, 3))
    assert torch.equal(kept, compute(*one))


def test_the_stand_in_computes_nothing_anew_but_tensors() -> None:
    calls = []

    def looks_outside(ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return compute(ids, lengths) * len(calls)

    recorded = replays()
    first = recorded.run(looks_outside, *drawn(1, 16))
    called = len(calls)
    assert torch.equal(recorded.run(looks_outside, *drawn(1, 16)), first)
    assert len(calls) == called


def test_what_cannot_be_recorded_is_computed_each_time_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def waits(ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return compute(ids, lengths) + float(lengths.max())

    recorded = replays()
    for seed in range(3):
        given_ = drawn(2, 32, seed)
        assert torch.equal(recorded.run(waits, *given_), waits(*given_))
    (told,) = caplog.messages
    assert "2 texts of 32 tokens" in told


def test_two_models_never_record_at_once() -> None:
    entered, go_on, other_entered = Event(), Event(), Event()

    def slowly(work: Work) -> Callable[[], None]:
        entered.set()
        assert go_on.wait(LIMIT_S)
        return Tape.capture(work)

    def quickly(work: Work) -> Callable[[], None]:
        other_entered.set()
        return Tape.capture(work)

    threads = [Thread(target=replays(each).run, args=(compute, *drawn(1, 16))) for each in (slowly, quickly)]
    threads[0].start()
    assert entered.wait(LIMIT_S)
    threads[1].start()
    assert not other_entered.wait(0.1)
    go_on.set()
    assert other_entered.wait(LIMIT_S)
    for thread in threads:
        thread.join()


@given(positions=st.integers(3, 600), texts=st.integers(1, 128), longest=st.integers(1, 600))
def test_a_pass_within_the_budget_has_a_size_that_is_little_larger(
    positions: int, texts: int, longest: int
) -> None:
    sizes, longest = Sizes(positions), min(longest, positions)
    length = sizes.length(longest)
    assert longest <= length <= positions
    found = sizes.of(texts, longest)
    if length > 512 or texts * length > sizes.tokens:
        assert found is None
    else:
        assert found in set(sizes)
        assert found is not None
        assert texts <= found[0] <= 1.5 * texts
        assert found[1] == length
        assert found[0] * found[1] <= sizes.tokens


def test_there_are_so_few_sizes_that_all_recordings_can_be_kept() -> None:
    assert len(list(Sizes(512))) == len(set(Sizes(512))) < 90

"""The soak tells what grows from what goes up and down."""

from random import Random

import pytest

from benchmarks.soak.watch import Sample, growths

MINUTES = 10


def samples(a_minute: float, noise: float, jump: float = 0.0) -> list[Sample]:
    """A pod of 200 MiB that grows so much a minute, besides what comes and goes; it warms up in a minute."""
    chance = Random(1)
    return [
        Sample(at, 200 + at / 60 * a_minute + chance.gauss(0, noise) + (jump if at < 60 else 0), 20, 30)
        for at in range(0, MINUTES * 60, 2)
    ]


def test_memory_that_comes_and_goes_is_flat_and_the_warm_up_is_not_looked_at() -> None:
    assert all(each.flat for each in growths(samples(0, noise=5, jump=-100), 120))


@pytest.mark.parametrize("a_minute", [1.5, 30])
def test_memory_that_leaks_slowly_or_fast_is_seen_through_the_noise(a_minute: float) -> None:
    memory, threads, files = growths(samples(a_minute, noise=5), 120)
    assert not memory.flat
    assert memory.a_minute == pytest.approx(a_minute, abs=0.5)
    assert threads.flat
    assert files.flat


def test_threads_that_pile_up_are_seen() -> None:
    piled = [Sample(at, 200, 20 + at // 60, 30 + at // 20) for at in range(0, MINUTES * 60, 2)]
    assert [each.flat for each in growths(piled, 120)] == [True, False, False]

"""What a pod holds while it runs: memory, threads, open files; and whether that grows."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Self

import numpy as np
import psutil

EVERY_S = 2.0
MIB = 1 << 20
MEMORY_SHARE = 0.03
"""Memory is flat if its trend over the whole run is less than this share of it."""
THREADS, FILES = 3, 8
"""By so many they may differ: connections come and go."""


@dataclass(frozen=True)
class Sample:
    """What the pod held at a moment (seconds since the start)."""

    at: float
    memory: float
    """In MiB (PSS), of all its processes."""
    threads: int
    files: int


@dataclass(frozen=True)
class Growth:
    """A quantity after the warm-up: at first, at last, and the trend a minute."""

    name: str
    first: float
    last: float
    a_minute: float
    limit: float

    @property
    def flat(self) -> bool:
        """Whether it grew no more than it may."""
        return self.last - self.first <= self.limit


class Watch:
    """Takes a sample every other second."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._over = Event()
        self._thread = Thread(target=self._sample, daemon=True)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        started = time.monotonic()
        while not self._over.wait(EVERY_S):
            with suppress(psutil.NoSuchProcess):
                family = [self._process, *self._process.children(recursive=True)]
                memory = sum(each.memory_full_info().pss for each in family) / MIB
                threads = sum(each.num_threads() for each in family)
                files = sum(each.num_fds() for each in family)
                self.samples.append(Sample(time.monotonic() - started, memory, threads, files))


def growths(samples: Sequence[Sample], warm_s: float) -> list[Growth]:
    """Return how each quantity went after ``warm_s`` seconds; ends are medians over a fifth of the time."""
    later = [sample for sample in samples if sample.at >= warm_s]
    memory = [sample.memory for sample in later]
    return [
        _growth("memory, MiB", later, memory, max(4.0, MEMORY_SHARE * float(np.median(memory)))),
        _growth("threads", later, [sample.threads for sample in later], THREADS),
        _growth("open files", later, [sample.files for sample in later], FILES),
    ]


def _growth(name: str, samples: Sequence[Sample], values: Sequence[float], limit: float) -> Growth:
    fifth = max(1, len(values) // 5)
    slope = float(np.polyfit([sample.at / 60 for sample in samples], values, 1)[0])
    first, last = float(np.median(values[:fifth])), float(np.median(values[-fifth:]))
    return Growth(name, first, last, slope, limit)

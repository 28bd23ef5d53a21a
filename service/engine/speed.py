"""How fast an engine is."""

import time
from collections.abc import Callable, Sequence

from service.engine import Engine, Item, Want
from service.engine.sample import Ids

_TIMED_TEXTS = 16


def speed(engine: Engine, texts: Sequence[Ids], seconds: float) -> tuple[float, float]:
    """Return tokens a second in batches, and the milliseconds of one text alone."""
    batch = [Item(ids, Want.FIRST) for ids in texts[:_TIMED_TEXTS]]
    together = _least(lambda _: engine.run(batch), seconds)
    alone = _least(lambda number: engine.run(batch[number % len(batch) :][:1]), seconds)
    return round(sum(len(item.ids) for item in batch) / together, 1), round(alone * 1000, 2)


def _least(work: Callable[[int], object], seconds: float) -> float:
    """Return the seconds of the fastest repetition: what else the machine does can only slow them down."""
    work(0)
    took: list[float] = []
    while sum(took) < seconds:
        start = time.perf_counter()
        work(len(took))
        took.append(time.perf_counter() - start)
    return min(took)

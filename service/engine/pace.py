"""At whose pace heavy work is done: at the caller's own, or behind all else that the machine does.

Only work that lets go of Python's lock is heavy here. Whoever holds that lock holds up all other threads,
and a thread that takes no core from others would hold it until they leave it one.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_AT_ONCE = 2
"""A model's encoder and its head are loaded side by side."""
_lane: ContextVar[Executor | None] = ContextVar("lane", default=None)


def heavy(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do heavy work, at the pace of the context; return or raise what it does."""
    lane = _lane.get()
    return work(*args, **kwargs) if lane is None else lane.submit(work, *args, **kwargs).result()


@contextmanager
def unhurried() -> Iterator[None]:
    """Let heavy work of this context take no core from anybody while the block runs."""
    with ThreadPoolExecutor(_AT_ONCE, "load", initializer=give_way) as lane:
        token = _lane.set(lane)
        try:
            yield
        finally:
            _lane.reset(token)


def give_way() -> None:
    """Let this thread run only where nobody else would, for good: without privileges there is no way back."""
    with suppress(OSError, AttributeError):  # then it takes its full share
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # 0 is this thread alone

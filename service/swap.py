"""Putting another model in service while requests are answered, and taking it back."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, Timer

from modelstore import ModelStoreError, ModelVersion
from service import golden
from service.errors import NothingToGoBackTo, SwapUnderWay, UnsupportedModel, UnusableModel
from service.memory import Budget
from service.models import Model, find, load_model, read_from
from service.pod import Pod, Served

NICENESS = 5
"""The thread that loads takes what the threads that answer leave over."""

log = logging.getLogger(__name__)


class Swapper:
    """Loads, checks and warms a second model beside the first, then switches; one swap at a time.

    The former model is kept for the way back: until it is freed, until the next model needs its slot,
    or for ``bake_s`` seconds of the pod's settings.
    """

    def __init__(self, pod: Pod, budget: Callable[[Path], Budget] = Budget.of) -> None:
        self._pod = pod
        self._budget = budget
        self._turn = Lock()
        self._bake: Timer | None = None

    def activate(self, ref: str) -> Served:
        """Put a version in service and return it, warm; at once if it is in a slot already.

        Raises:
            UnusableModel: Its files are missing or not what they should be, or no engine can compute it.
            SwapRefused: There is no memory for it, or it fails at the golden sentences.
            SwapUnderWay: Another swap has not ended.
        """
        with self._swapping("activated"):
            started = self._pod.clock()
            slots = self._pod.slots
            # The way back takes what is in memory and reads no file: it is for bad moments.
            if slots.former and ref == _named(slots.former):
                slots.swap()
            else:
                self._put(find(ref, self._pod.settings))
            return self._settled(started)

    def rollback(self) -> Served:
        """Put the former model back in service, at once, and return it.

        Raises:
            NothingToGoBackTo: There is none any more.
            SwapUnderWay: Another swap has not ended.
        """
        with self._swapping("rolled-back"):
            started = self._pod.clock()
            if self._pod.slots.former is None:
                raise NothingToGoBackTo
            self._pod.slots.swap()
            return self._settled(started)

    def free(self) -> bool:
        """Give back the former model's memory, and with it the way back; False if there was nothing to free.

        Raises:
            SwapUnderWay: A swap has not ended.
        """
        with self._exclusive():
            return self._pod.slots.free(self._patience_s)

    @property
    def _patience_s(self) -> float:
        """A request with the former model ends by its deadline."""
        return self._pod.settings.deadline_s + 1

    def _put(self, version: ModelVersion) -> None:
        slots = self._pod.slots
        if slots.former and slots.former.model.version.digest == version.digest:
            slots.swap()
        elif not (slots.newest and slots.newest.model.version.digest == version.digest):
            slots.free(self._patience_s)
            source = read_from(version, self._pod.settings)
            self._budget(source).check()
            # What computes inherits its priority from who loads first, and keeps it: a later engine of
            # the same kind finds the workers of the first.
            first = source != version.folder and slots.newest and not slots.newest.model.chosen.conversion
            loaded = (_apart if first else _gently)(lambda: self._loaded(version))
            slots.put(self._pod.serve(loaded, version.version))

    def _loaded(self, version: ModelVersion) -> Model:
        model = load_model(version, self._pod.settings)
        sentences = golden.find(version.folder, self._pod.settings.models_dir / version.name)
        golden.check(model.engine, model.reader.codec, sentences)
        return model

    def _settled(self, started: float) -> Served:
        pod = self._pod
        seconds = pod.clock() - started
        served = pod.slots.newest
        assert served is not None, "a model was put in service"  # noqa: S101 - for the type checker
        pod.tell()
        former = pod.slots.former
        kept = former.model.version.version if former else "none"
        name, version = served.predictor.name, served.predictor.version
        log.info("%s %s is in service after %.3f s, kept: %s", name, version, seconds, kept)
        if former and pod.settings.bake_s:
            self._bake = Timer(pod.settings.bake_s, self._baked, [former])
            self._bake.daemon = True
            self._bake.start()
        return served

    def _baked(self, former: Served) -> None:
        with suppress(SwapUnderWay), self._exclusive():
            if self._pod.slots.former is former:
                self._pod.slots.free(self._patience_s)

    @contextmanager
    def _swapping(self, result: str) -> Iterator[None]:
        swaps = self._pod.metrics.swaps
        try:
            with self._exclusive():
                if self._bake:
                    self._bake.cancel()
                yield
        except Exception as error:
            swaps.labels("refused").inc()
            if isinstance(error, ModelStoreError | UnsupportedModel):
                raise UnusableModel(str(error)) from error
            raise
        swaps.labels(result).inc()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if not self._turn.acquire(blocking=False):
            raise SwapUnderWay
        try:
            yield
        finally:
            self._turn.release()


def _named(served: Served) -> str:
    return f"{served.model.version.name}:{served.model.version.version}"


def _gently(load: Callable[[], Model]) -> Model:
    """Load on a thread of its own that gives way to those that answer requests."""
    with ThreadPoolExecutor(1, "load", initializer=_give_way) as pool:
        return pool.submit(load).result()


def _apart(load: Callable[[], Model]) -> Model:
    """Load on a thread of its own."""
    with ThreadPoolExecutor(1, "load") as pool:
        return pool.submit(load).result()


def _give_way() -> None:
    with suppress(OSError):  # then it takes its full share
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

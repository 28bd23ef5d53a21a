"""Putting another model in service while requests are answered, and taking it back."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from threading import Lock, Timer

from modelstore import ModelStoreError, ModelVersion
from service.engine.pace import give_way, unhurried
from service.engine.recipes import TORCH
from service.errors import NothingToGoBackTo, SwapUnderWay, UnsupportedModel, UnusableModel
from service.models import golden
from service.models.load import Model, computes, find, load_model, read_from
from service.models.memory import Budget
from service.models.slots import Slot
from service.pod.assembly import Pod, Served

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
        self._reaper = ThreadPoolExecutor(1, "retire", initializer=give_way)
        self._retired: Future[None] | None = None

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
            displaced = None
            if slots.former and ref == _named(slots.former):
                slots.swap()
            else:
                displaced = self._put(find(ref, self._pod.settings.source))
            served = self._settled(started)
            if displaced:  # nobody need wait until its memory is given back
                self._retired = self._reaper.submit(slots.retire, displaced, self._patience_s)
            return served

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

    def _put(self, version: ModelVersion) -> Slot[Served] | None:
        """Put a version in service and return the model that is kept no longer, if any."""
        slots = self._pod.slots
        if slots.former and slots.former.model.version.digest == version.digest:
            slots.swap()
            return None
        if slots.newest and slots.newest.model.version.digest == version.digest:
            return None
        source = read_from(version, self._pod.settings.source)
        self._make_room(source)
        # What computes inherits its priority from who loads first, and keeps it: a later engine of
        # the same kind finds the workers of the first.
        first = source != version.folder and slots.newest and slots.newest.model.chosen.name == TORCH
        with (
            slots.newest.batcher.giving_way() if slots.newest else nullcontext(),
            nullcontext() if first else unhurried(),
        ):
            loaded = self._loaded(version)
        return slots.put(self._pod.serve(loaded, version.version))

    def _make_room(self, source: Path) -> None:
        """See that a model fits into memory; the former one has to leave before only if it does not."""
        if self._retired:
            wait([self._retired])
        if not self._budget(source).suffices:
            self._pod.slots.free(self._patience_s)
            self._budget(source).check()

    def _loaded(self, version: ModelVersion) -> Model:
        sentences = golden.find(version.folder, self._pod.settings.models_dir / version.name)
        prove = partial(golden.check, sentences=sentences) if sentences else computes
        return load_model(version, self._pod.settings.source, prove)

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

"""The pod put together: settings in, a predictor and its state out."""

import logging
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from threading import Thread

from opentelemetry.trace import Tracer, TracerProvider

from modelstore import ModelStoreError
from observability.telemetry import shut_down, tracer_provider
from service.batching.batcher import Batcher
from service.cache.answers import AnswerCache, Rules
from service.cache.redis import RedisStore
from service.cache.store import GuardedStore
from service.errors import NotReady, ServiceError
from service.models.early import first_model
from service.models.load import Model
from service.models.slots import Slots
from service.pod.faults import Faults
from service.pod.metrics import Metrics
from service.pod.predict import Predictor
from service.pod.settings import Settings
from service.pod.shadow import shadow_of
from service.pod.telemetry import Telemetry, Waiting
from service.shadow.mirrored import ShadowComparison
from service.text.normalise import Change, normaliser, unchanged

log = logging.getLogger(__name__)


class State(Enum):
    """Where a pod is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True)
class Served:
    """A model in service: what answers, and the batcher behind it."""

    model: Model
    predictor: Predictor
    batcher: Batcher[Waiting]

    def close(self) -> None:
        """Finish what is queued and end the batcher's thread."""
        self.batcher.close()


@dataclass
class Pod:
    """What the HTTP side needs to know. Make one with `build`, then call `start` or `load`."""

    settings: Settings
    provider: TracerProvider
    tracer: Tracer
    metrics: Metrics
    cache: AnswerCache | None
    telemetry: Telemetry
    clock: Callable[[], float]
    normalise: Change = unchanged
    state: State = State.STARTING
    slots: Slots[Served] = field(default_factory=Slots)
    deployed: str = ""
    """The version that the mesh knows this pod as, whatever model is in service by now."""
    shadow: ShadowComparison | None = None
    """Its part in comparing a canary's answers with the stable's; None without Redis."""

    @property
    def served(self) -> Served | None:
        """The model of this request; outside of one, the model in service."""
        return self.slots.active

    @property
    def version(self) -> str:
        """The version that answers this request; empty while it is not known."""
        return self.served.predictor.version if self.served else self.deployed

    @property
    def predictor(self) -> Predictor:
        """What answers queries.

        Raises:
            NotReady: The model is not loaded yet.
        """
        served = self.served
        if served is None:
            message = f"the pod is {self.state.value}; a warm model needed: wait for /readyz to answer 200"
            raise NotReady(message)
        return served.predictor

    @property
    def draining(self) -> bool:
        """Whether the pod is on its way out."""
        return self.state is State.DRAINING

    def pinned(self) -> AbstractContextManager[None]:
        """Stay with one model while the block runs, though another is put in service meanwhile."""
        return self.slots.pinned()

    def start(self, on_failure: Callable[[], None]) -> None:
        """Load in the background, so that /livez and /startupz answer meanwhile."""
        Thread(target=self._load_or, args=(on_failure,), name="load", daemon=True).start()

    def load(self) -> None:
        """Load and warm the model, then be ready.

        Raises:
            ModelStoreError: Its files are missing or not what they should be.
            UnsupportedModel: No engine can compute it.
        """
        started = self.clock()
        model = first_model(self.settings.source)
        self.deployed = self.settings.version or model.version.version
        self.slots.put(self.serve(model, self.deployed))
        self.tell()
        self._warn_of_faults()
        if self.state is State.STARTING:
            self.state = State.READY
        log.info(
            "%s %s is ready after %.1f s, computed by %s",
            model.version.name,
            model.version.version,
            self.clock() - started,
            model.chosen.name,
        )

    def drain(self) -> None:
        """Say on /readyz that no new requests should come; those that do are answered."""
        self.state = State.DRAINING
        log.info("draining: /readyz answers 503, requests are still answered")

    def close(self) -> None:
        """Finish what is queued and send the last spans."""
        self.slots.close()
        if self.shadow:
            self.shadow.close()
        shut_down(self.provider)

    def serve(self, model: Model, version: str) -> Served:
        """Put what answers around a model; ``version`` is what it answers as."""
        settings = self.settings
        batcher = Batcher(model.engine.run, settings.limits, observer=self.telemetry, clock=self.clock)
        predictor = Predictor(
            digest=model.answers_as,
            name=model.version.name,
            version=version,
            reader=model.reader,
            batcher=batcher,
            cache=self.cache,
            faults=Faults(settings.fault, random.Random(), time.sleep),
            timeout_s=settings.deadline_s,
            normalise=self.normalise,
            platform=f"bertmesh_{model.chosen.name}",
        )
        return Served(model, predictor, batcher)

    def tell(self) -> None:
        """Say in the metrics which model is in service, and what computes it."""
        self.metrics.model.clear()
        self.metrics.engine.clear()
        if served := self.slots.newest:
            predictor, chosen = served.predictor, served.model.chosen
            self.metrics.model.labels(predictor.name, predictor.version, served.model.version.digest).set(1)
            self.metrics.engine.labels(
                chosen.name, str(chosen.faithful).lower(), predictor.version, self.settings.engine
            ).set(1)

    def waiting_tokens(self) -> int:
        """Return the tokens in the queues of both models."""
        held = (self.slots.newest, self.slots.former)
        return sum(served.batcher.waiting_tokens for served in held if served)

    def _load_or(self, on_failure: Callable[[], None]) -> None:
        try:
            self.load()
        except Exception as error:
            foreseen = isinstance(error, ModelStoreError | ServiceError)
            log.critical("the pod cannot start: %s", error, exc_info=None if foreseen else error)
            self.state = State.FAILED
            on_failure()

    def _warn_of_faults(self) -> None:
        if self.settings.fault:
            log.warning("this pod has a fault for a drill: %s", self.settings.fault)


def build(settings: Settings, clock: Callable[[], float] = time.monotonic) -> Pod:
    """Put a pod together; nothing is loaded yet.

    Raises:
        SettingsError: The Redis URL is no URL, or a step of normalisation is unknown.
    """
    attributes = {"service.instance.id": settings.pod, "service.version": settings.version or ""}
    provider = tracer_provider("bertmesh-pod", attributes)
    metrics = Metrics()
    tracer = provider.get_tracer("bertmesh.service")
    telemetry = Telemetry(tracer, metrics, clock)
    cache = _cache(settings, telemetry, clock)
    change = normaliser(settings.normalise)
    pod = Pod(settings, provider, tracer, metrics, cache, telemetry, clock, change)
    pod.deployed = settings.version or ""
    pod.shadow = shadow_of(settings, metrics)
    metrics.queue_tokens.set_function(pod.waiting_tokens)
    return pod


def _cache(settings: Settings, telemetry: Telemetry, clock: Callable[[], float]) -> AnswerCache | None:
    guard = None
    if settings.redis_url is not None:
        store = RedisStore(settings.redis_url, settings.redis_timeout_s)
        guard = GuardedStore(store, clock, telemetry)
    elif not settings.cache_local_bytes:
        return None
    rules = Rules(ttl_s=settings.cache_ttl_s, local_bytes=settings.cache_local_bytes)
    return AnswerCache(guard, rules, observer=telemetry, random=random.Random(), clock=clock)

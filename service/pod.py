"""The pod put together: settings in, a predictor and its state out."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from threading import Thread

from opentelemetry.trace import Tracer, TracerProvider

from modelstore import ModelStoreError
from observability.telemetry import shut_down, tracer_provider
from service.batching import Batcher
from service.breaker import Breaker
from service.cache import AnswerCache
from service.errors import NotReady, ServiceError
from service.faults import Faults
from service.metrics import Metrics
from service.models import Model, load_model
from service.predict import Predictor
from service.redis_store import RedisStore
from service.settings import Settings
from service.telemetry import Telemetry, Waiting

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
    state: State = State.STARTING
    served: Served | None = field(default=None)

    @property
    def version(self) -> str:
        """The version this pod answers as; empty while it is not known."""
        if self.settings.version:
            return self.settings.version
        return self.served.model.version.version if self.served else ""

    @property
    def predictor(self) -> Predictor:
        """What answers queries.

        Raises:
            NotReady: The model is not loaded yet.
        """
        if self.served is None:
            message = f"the pod is {self.state.value}; a warm model needed: wait for /readyz to answer 200"
            raise NotReady(message)
        return self.served.predictor

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
        model = load_model(self.settings)
        self.served = self._serve(model)
        self.metrics.model.labels(model.version.name, self.version, model.version.digest).set(1)
        self._warn_of_faults()
        if self.state is State.STARTING:
            self.state = State.READY
        log.info(
            "%s %s is ready after %.1f s", model.version.name, model.version.version, self.clock() - started
        )

    def drain(self) -> None:
        """Say on /readyz that no new requests should come; those that do are answered."""
        self.state = State.DRAINING
        log.info("draining: /readyz answers 503, requests are still answered")

    def close(self) -> None:
        """Finish what is queued and send the last spans."""
        if self.served:
            self.served.batcher.close()
        shut_down(self.provider)

    def _load_or(self, on_failure: Callable[[], None]) -> None:
        try:
            self.load()
        except Exception as error:
            foreseen = isinstance(error, ModelStoreError | ServiceError)
            log.critical("the pod cannot start: %s", error, exc_info=None if foreseen else error)
            self.state = State.FAILED
            on_failure()

    def _serve(self, model: Model) -> Served:
        settings = self.settings
        batcher = Batcher(model.engine.run, settings.limits, observer=self.telemetry, clock=self.clock)
        self.metrics.queue_tokens.set_function(lambda: batcher.waiting_tokens)
        predictor = Predictor(
            digest=model.version.digest,
            name=model.version.name,
            version=settings.version or model.version.version,
            reader=model.reader,
            batcher=batcher,
            cache=self.cache,
            faults=Faults(settings.fault, random.Random(), time.sleep),
            timeout_s=settings.deadline_s,
        )
        return Served(model, predictor, batcher)

    def _warn_of_faults(self) -> None:
        if self.settings.fault:
            log.warning("this pod has a fault for a drill: %s", self.settings.fault)


def build(settings: Settings, clock: Callable[[], float] = time.monotonic) -> Pod:
    """Put a pod together; nothing is loaded yet.

    Raises:
        SettingsError: The Redis URL is no URL.
    """
    attributes = {"service.instance.id": settings.pod, "service.version": settings.version or ""}
    provider = tracer_provider("bertmesh-pod", attributes)
    metrics = Metrics()
    tracer = provider.get_tracer("bertmesh.service")
    telemetry = Telemetry(tracer, metrics, clock)
    return Pod(settings, provider, tracer, metrics, _cache(settings, telemetry, clock), telemetry, clock)


def _cache(settings: Settings, telemetry: Telemetry, clock: Callable[[], float]) -> AnswerCache | None:
    if settings.redis_url is None:
        return None
    store = RedisStore.connect(settings.redis_url, settings.redis_timeout_s)
    return AnswerCache(store, ttl_s=settings.cache_ttl_s, breaker=Breaker(clock), observer=telemetry)

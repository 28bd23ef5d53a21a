"""The pod's own metrics, in a registry of their own. Labels take few values."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from observability import names
from service.shadow.metrics import ShadowMetrics

disable_created_metrics()  # type: ignore[no-untyped-call] # its author typed the rest; a second series for every series, which nobody asks for

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a cached answer to a full queue of bert-base."""
SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKEN_BUCKETS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


class Metrics:
    """All metrics of one pod."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            names.POD_REQUESTS.removesuffix("_total"),
            "Requests by task, status code, cache outcome, and whether they were mirrored.",
            ("task", "code", "cache", "route", "model_version"),
            registry=self.registry,
        )
        self.duration = Histogram(
            names.POD_DURATION,
            "Seconds from the request's headers to its answer.",
            ("task", "route", "model_version"),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.lookups = Counter(
            names.POD_CACHE.removesuffix("_total"),
            "Answers looked up in the cache, a text each.",
            ("result",),
            registry=self.registry,
        )
        self.rejected = Counter(
            names.POD_REJECTED.removesuffix("_total"),
            "Requests that were refused, by problem.",
            ("problem",),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            names.POD_IN_FLIGHT, "Requests that are being answered.", registry=self.registry
        )
        self.queue_tokens = Gauge(names.POD_QUEUE_TOKENS, "Tokens that wait.", registry=self.registry)
        self.batch_tokens = Histogram(
            names.POD_BATCH_TOKENS,
            "Tokens computed together.",
            buckets=TOKEN_BUCKETS,
            registry=self.registry,
        )
        self.batch_requests = Histogram(
            names.POD_BATCH_SIZE,
            "Requests computed together.",
            buckets=SIZE_BUCKETS,
            registry=self.registry,
        )
        self.inference = Histogram(
            names.POD_INFERENCE,
            "Seconds the engine took for a batch.",
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.swaps = Counter(
            names.POD_SWAPS.removesuffix("_total"),
            "Attempts to put another model in service, by their result.",
            ("result",),
            registry=self.registry,
        )
        self.answers = Counter(
            names.POD_ANSWERS.removesuffix("_total"),
            "Computed answers that have a probability, one a mask.",
            (names.ROUTE_KIND_LABEL, names.MODEL_VERSION_LABEL),
            registry=self.registry,
        )
        self.low_confidence = Counter(
            names.POD_LOW_CONFIDENCE.removesuffix("_total"),
            "Those of them whose best candidate is a guess, by calibrated probability.",
            (names.ROUTE_KIND_LABEL, names.MODEL_VERSION_LABEL),
            registry=self.registry,
        )
        self.shadow = ShadowMetrics(self.registry)
        self.model = Gauge(
            names.POD_MODEL_INFO,
            "1 for the model that is served.",
            ("name", "model_version", "digest"),
            registry=self.registry,
        )
        self.engine = Gauge(
            names.POD_ENGINE_INFO,
            "1 for the engine that computes; faithful is whether its answers may stand for float32's.",
            ("engine", "faithful", "model_version", "asked"),
            registry=self.registry,
        )

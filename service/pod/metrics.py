"""The pod's own metrics, in a registry of their own. Labels take few values."""

from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from observability import names
from service.shadow.metrics import ShadowMetrics, counter

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
        count = partial(counter, self.registry)
        gauge, histogram = partial(Gauge, registry=self.registry), partial(Histogram, registry=self.registry)
        judged = (names.ROUTE_KIND_LABEL, names.MODEL_VERSION_LABEL)
        self.requests = count(
            names.POD_REQUESTS,
            "Requests by task, status code, cache outcome, and whether they were mirrored.",
            *("task", "code", "cache", "route", "model_version"),
        )
        self.duration = histogram(
            names.POD_DURATION,
            "Seconds from the request's headers to its answer.",
            ("task", "route", "model_version"),
            buckets=LATENCY_BUCKETS_S,
        )
        self.lookups = count(names.POD_CACHE, "Answers looked up in the cache, a text each.", "result")
        self.rejected = count(names.POD_REJECTED, "Requests that were refused, by problem.", "problem")
        self.in_flight = gauge(names.POD_IN_FLIGHT, "Requests that are being answered.")
        self.queue_tokens = gauge(names.POD_QUEUE_TOKENS, "Tokens that wait.")
        self.batch_tokens = histogram(
            names.POD_BATCH_TOKENS, "Tokens computed together.", buckets=TOKEN_BUCKETS
        )
        self.batch_requests = histogram(
            names.POD_BATCH_SIZE, "Requests computed together.", buckets=SIZE_BUCKETS
        )
        self.inference = histogram(
            names.POD_INFERENCE, "Seconds the engine took for a batch.", buckets=LATENCY_BUCKETS_S
        )
        self.swaps = count(
            names.POD_SWAPS, "Attempts to put another model in service, by their result.", "result"
        )
        self.answers = count(
            names.POD_ANSWERS, "Computed answers that have a probability, one a mask.", *judged
        )
        self.low_confidence = count(
            names.POD_LOW_CONFIDENCE,
            "Those of them whose best candidate is a guess, by calibrated probability.",
            *judged,
        )
        self.shadow = ShadowMetrics(self.registry)
        self.model = gauge(
            names.POD_MODEL_INFO, "1 for the model that is served.", ("name", "model_version", "digest")
        )
        self.engine = gauge(
            names.POD_ENGINE_INFO,
            "1 for the engine that computes; faithful is whether its answers may stand for float32's.",
            ("engine", "faithful", "model_version", "asked"),
        )

"""What a pod counts of comparisons. Labels take few values."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter

from observability import names


def counter(registry: CollectorRegistry, name: str, words: str, *labels: str) -> Counter:
    """Return a counter; the library adds the end of its name."""
    return Counter(name.removesuffix("_total"), words, labels, registry=registry)


class ShadowMetrics:
    """The counters of shadow agreement; ``model_version`` is the canary that is compared."""

    def __init__(self, registry: CollectorRegistry) -> None:
        count = partial(counter, registry)
        each = ("task", names.MODEL_VERSION_LABEL)
        self.compared = count(
            names.POD_COMPARED, "Answers to copies of requests that were compared with the stable's.", *each
        )
        self.disagreed = count(
            names.POD_DISAGREED, "Those of them that disagree (docs/shadow.md says when they do).", *each
        )
        self.flipped = count(
            names.POD_FLIPPED, "Those of them whose best candidate, or side of one half, is another.", *each
        )
        self.unmatched = count(
            names.POD_UNMATCHED,
            "Answers to copies whose counterpart never came: the stable failed, or Redis was away.",
            names.MODEL_VERSION_LABEL,
        )
        self.dropped = count(
            names.POD_SHADOW_DROPPED,
            "What was not compared because this pod was behind or Redis was away, by side.",
            "side",
        )

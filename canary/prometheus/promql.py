"""The queries, and what their labels mean.

One set serves all homes and meshes: the local Envoy emits Istio's metric names and labels, and no query
depends on which of a pod's Services a proxy names (the one that istiod lists first, so the older one). What
was cached is left out by the query; what was mirrored is left out by its route label.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from canary.measure.counters import Kind
from mesh.errors import InvalidMesh
from mesh.gateway_api import service_name
from observability.names import (
    CACHE_LABEL,
    FOUND_PATTERN,
    ISTIO_DURATION_BUCKET,
    ISTIO_REQUESTS,
    MODEL_VERSION_LABEL,
    POD_ANSWERS,
    POD_COMPARED,
    POD_DISAGREED,
    POD_FEEDBACK,
    POD_LABEL,
    POD_LOW_CONFIDENCE,
    RATING_LABEL,
    ROUTE_KIND_LABEL,
    ROUTE_LABEL,
)

SELECTOR: Final = (
    '{{__name__=~"' + ISTIO_REQUESTS + "|" + ISTIO_DURATION_BUCKET + '",'
    'reporter=~"source|destination|waypoint",destination_service=~"{services}",destination_version=~"{versions}",'
    + CACHE_LABEL
    + '!~"'
    + FOUND_PATTERN
    + '",le=~"{les}"}}'
)
"""All counters in one query, so that they are of the same scrape."""
COUNTERS: Final = SELECTOR + "[{window}s]"
"""Raw samples with their own times: an instant vector would hide how old they are."""
HISTORY: Final = SELECTOR
"""The same counters at the steps of a range query."""
OWN_KINDS: Final = {
    POD_ANSWERS: Kind.SCORED,
    POD_LOW_CONFIDENCE: Kind.UNSURE,
    POD_COMPARED: Kind.COMPARED,
    POD_DISAGREED: Kind.DIFFERED,
}
RATINGS: Final = {"good": Kind.PRAISED, "bad": Kind.BLAMED}
OWN_SELECTOR: Final = (
    '{{__name__=~"'
    + "|".join((*OWN_KINDS, POD_FEEDBACK))
    + '",'
    + MODEL_VERSION_LABEL
    + '=~"{versions}",'
    + ROUTE_KIND_LABEL
    + '!="mirror",namespace=~"|{namespaces}"}}'
)
"""What the pods count of their own answers; what was mirrored is only compared, never judged by itself.

Outside of a cluster, and under some ways to scrape, there is no label ``namespace``."""
OWN_COUNTERS: Final = OWN_SELECTOR + "[{window}s]"
STARTED: Final = 'process_start_time_seconds{{version=~"{versions}",namespace=~"|{namespaces}"}}'
"""When the pods' processes began (Unix seconds)."""

AT_POD: Final = frozenset({"destination", "waypoint"})
"""Who reports what pods answered: their own proxies or, in ambient mode, the waypoint in front of them."""
UNREACHED_FLAGS: Final = frozenset({"UF", "UH", "NR"})
GIVEN_UP_FLAGS: Final = frozenset({"UC", "UT"})
SERVER_ERROR: Final = "5"
NO_ANSWER: Final = "0"


SPECIAL: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What means something in RE2. No more is escaped, so that Prometheus can look names up in its index."""


@dataclass(frozen=True)
class RolloutQuery:
    """What one rollout asks for: versions of a Service (by its full name).

    Of the latency buckets only ``edge`` and "+Inf" are wanted, or all if it is None.
    """

    service: str
    versions: tuple[str, ...]
    edge: str | None = None

    @property
    def namespace(self) -> str:
        """The namespace in the Service's full name, or ""."""
        return (*self.service.split("."), "")[1]

    @property
    def services(self) -> tuple[str, ...]:
        """The Services under which its requests may be counted: its own, and one of each version's."""
        name, dot, domain = self.service.partition(".")
        own = [f"{each}{dot}{domain}" for version in self.versions for each in _service_of(name, version)]
        return (self.service, *own)


class Questions(NamedTuple):
    """What is asked of Prometheus at one query time."""

    counters: str
    own: str
    started: str


def questions(wants: Sequence[RolloutQuery], window_s: float) -> Questions:
    """Return the queries for what all of these want: as many queries for a thousand as for one.

    Whoever asks takes from the answers what it wanted: they hold every version of each Service.
    """
    names = _names(wants)
    edges = {want.edge for want in wants}
    les = ".*" if None in edges else any_of(["", *sorted(filter(None, edges)), "+Inf"])
    window = f"{window_s:.0f}"
    return Questions(
        COUNTERS.format(les=les, window=window, **names),
        OWN_COUNTERS.format(window=window, **names),
        STARTED.format(**names),
    )


def history(want: RolloutQuery) -> tuple[str, str]:
    """Return the queries for the past: of all requests, with all latency buckets, and of the pods' own."""
    names = _names([want])
    return HISTORY.format(les=".*", **names), OWN_SELECTOR.format(**names)


def any_of(texts: Sequence[str]) -> str:
    """Return a PromQL regular expression, as it stands between double quotes, for exactly these texts."""
    return "|".join(SPECIAL.sub(r"\\\g<0>", text) for text in texts).replace("\\", "\\\\")


def _service_of(service: str, version: str) -> Sequence[str]:
    """Return the name of a version's own Service, or nothing if there can be none."""
    try:
        return [service_name(service, version)]
    except InvalidMesh:
        return []


def _names(wants: Sequence[RolloutQuery]) -> Mapping[str, str]:
    return {
        "services": any_of(sorted({name for want in wants for name in want.services})),
        "versions": any_of(sorted({version for want in wants for version in want.versions})),
        "namespaces": any_of(sorted({want.namespace for want in wants} - {""})),
    }


def kind_of(labels: Mapping[str, str]) -> Kind | None:
    """Return what a series counts, or None if the judge has no use for it."""
    name = labels.get("__name__", "")
    if name == POD_FEEDBACK:
        return RATINGS.get(labels.get(RATING_LABEL, ""))
    if name in OWN_KINDS:
        return OWN_KINDS[name]
    if labels.get(ROUTE_LABEL, "") not in {"", labels.get("destination_version")}:
        return None  # a mirrored copy: the route chose another version
    at_pod = labels.get("reporter") in AT_POD
    if labels.get("__name__") == ISTIO_DURATION_BUCKET:
        return Kind.WITHIN if at_pod and labels.get("response_code") != NO_ANSWER else None
    return _at_destination(labels) if at_pod else _at_source(labels)


def version_of(labels: Mapping[str, str]) -> str:
    """Return the version that a series is about."""
    return labels.get("destination_version", "") or labels.get(MODEL_VERSION_LABEL, "")


def pod_of(labels: Mapping[str, str]) -> str:
    """Return the pod that answered; at the source the label, if any, names the gateway's own pod."""
    if MODEL_VERSION_LABEL in labels:
        return labels.get(POD_LABEL, "")
    return labels.get(POD_LABEL, "") if labels.get("reporter") in AT_POD else ""


def _flags(labels: Mapping[str, str]) -> set[str]:
    return set(labels.get("response_flags", "").split(","))


def _at_destination(labels: Mapping[str, str]) -> Kind:
    code = labels.get("response_code", "")
    if code == NO_ANSWER or _flags(labels) & GIVEN_UP_FLAGS:
        return Kind.BROKEN_OFF
    return Kind.FAILED if code.startswith(SERVER_ERROR) else Kind.ANSWERED


def _at_source(labels: Mapping[str, str]) -> Kind:
    if _flags(labels) & UNREACHED_FLAGS:
        return Kind.UNREACHED
    return Kind.GIVEN_UP if _flags(labels) & GIVEN_UP_FLAGS else Kind.ROUTED

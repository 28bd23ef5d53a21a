"""The names that cross a process boundary: headers, metrics, labels, spans.

Stated once, because the pod, Envoy, Prometheus, the controller and the dashboards must agree.
"""

from typing import Final

# HTTP headers (lower case, as Envoy sees them).
VERSION_HEADER: Final = "x-model-version"
"""On a request: pin it to this version. On an answer: the version that answered."""
ROUTE_HEADER: Final = "x-bertmesh-route"
"""Set by the route to the version it chose. A pod of another version holds a mirrored copy."""
CACHE_HEADER: Final = "x-bertmesh-cache"
"""On an answer: local, hit, miss, bypass, error or off."""
FOUND_PATTERN: Final = "hit|local"
"""A regular expression of those values that say that nothing was computed: the judge leaves them out."""
REQUEST_ID_HEADER: Final = "x-request-id"
SHADOW_HEADER: Final = "x-bertmesh-shadow"
"""Set by the route on requests of which copies may go to a canary: the canary's name."""
ASK_HEADER: Final = "x-bertmesh-ask"
"""On a request: the proxy that holds the route answers by itself, with the two headers that follow."""
SPLIT_HEADER: Final = "x-bertmesh-split"
"""On the answer to such a request: the split that the proxy holds, as `mesh.model.Split.text` writes it."""
PROXY_HEADER: Final = "x-bertmesh-proxy"
"""On the same answer: the host name of that proxy, which is the name of its pod."""

# Istio's metrics, which the local Envoy emits under the same names
# (https://istio.io/latest/docs/reference/config/metrics/).
ISTIO_REQUESTS: Final = "istio_requests_total"
ISTIO_DURATION_BUCKET: Final = "istio_request_duration_milliseconds_bucket"
ROUTE_LABEL: Final = "bertmesh_route"
CACHE_LABEL: Final = "bertmesh_cache"
POD_LABEL: Final = "pod"

# The pod's own metrics.
POD_REQUESTS: Final = "bertmesh_requests_total"
POD_DURATION: Final = "bertmesh_request_duration_seconds"
POD_CACHE: Final = "bertmesh_cache_lookups_total"
POD_QUEUE_TOKENS: Final = "bertmesh_queue_tokens"
POD_BATCH_TOKENS: Final = "bertmesh_batch_tokens"
POD_BATCH_SIZE: Final = "bertmesh_batch_requests"
POD_INFERENCE: Final = "bertmesh_inference_seconds"
POD_IN_FLIGHT: Final = "bertmesh_requests_in_flight"
POD_REJECTED: Final = "bertmesh_rejected_total"
POD_MODEL_INFO: Final = "bertmesh_model_info"
POD_ENGINE_INFO: Final = "bertmesh_engine_info"
POD_ANSWERS: Final = "bertmesh_answers_total"
"""Computed answers that have a confidence, so neither cached ones nor vectors."""
POD_LOW_CONFIDENCE: Final = "bertmesh_low_confidence_total"
POD_FEEDBACK: Final = "bertmesh_feedback_total"
"""Users' judgements of answers, by ``rating``: good or bad."""
POD_COMPARED: Final = "bertmesh_shadow_compared_total"
"""Mirrored answers that were compared with the primary's."""
POD_DISAGREED: Final = "bertmesh_shadow_disagreed_total"
POD_FLIPPED: Final = "bertmesh_shadow_flipped_total"
"""Those whose best candidate, or whose side of one half, is another: many agree well enough all the same."""
POD_UNMATCHED: Final = "bertmesh_shadow_unmatched_total"
"""Mirrored answers whose counterpart never came."""
POD_SHADOW_DROPPED: Final = "bertmesh_shadow_dropped_total"
"""Answers that were not compared because the pod was behind."""
SHADOW_WORST_KEY: Final = "bertmesh:shadow:worst:"
"""In Redis, followed by a canary's name: a sorted set of its worst disagreements, JSON by severity."""
MODEL_VERSION_LABEL: Final = "model_version"
ROUTE_KIND_LABEL: Final = "route"
"""In the pod's own metrics: primary or mirror."""
RATING_LABEL: Final = "rating"
POD_SWAPS: Final = "bertmesh_swaps_total"

# Spans of our own (HTTP spans carry OpenTelemetry's stable names).
SPAN_CACHE: Final = "bertmesh.cache"
SPAN_QUEUE: Final = "bertmesh.queue"
SPAN_BATCH: Final = "bertmesh.batch"
SPAN_ENGINE: Final = "bertmesh.engine"

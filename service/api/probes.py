"""The endpoints that tell of the pod itself: probes, metrics, version."""

from typing import Final

from prometheus_client.exposition import choose_encoder

from service.api import documents
from service.api.operation import PROBES, READY, Operation, get
from service.http.middleware import require, require_ready
from service.http.router import Call, Reply, json_reply
from service.pod.assembly import Served


def version(call: Call) -> Reply:
    """Tell which model is served, and what its card says."""
    pod = call.exchange.pod
    if pod.served is None:
        return json_reply({"version": pod.version, "state": pod.state.value})
    model = pod.served.model.version
    return json_reply(
        {
            "name": model.name,
            "version": pod.version,
            "model": _name(pod.served),
            "digest": model.digest,
            "base": model.base,
            "temperature": model.temperature,
            "card": model.card,
            "engine": pod.served.model.chosen.as_dict(),
            "state": pod.state.value,
            "former": _name(pod.slots.former),
        }
    )


def _livez(call: Call) -> Reply:
    """Answer as long as the process serves at all."""
    return json_reply({"status": "alive", "state": call.exchange.pod.state.value})


def _startupz(call: Call) -> Reply:
    """Answer 200 once the model is loaded and warm, and from then on."""
    pod = call.exchange.pod
    require(pod.served is not None, pod)
    return json_reply({"status": "started", "state": pod.state.value})


def _readyz(call: Call) -> Reply:
    """Answer 200 while new requests are welcome."""
    pod = call.exchange.pod
    require_ready(pod)
    return json_reply({"status": "ready", "version": pod.version})


def _metrics(call: Call) -> Reply:
    """Return the metrics in Prometheus' or OpenMetrics' text form."""
    try:
        encode, media = choose_encoder(call.header("Accept") or "")
    except (TypeError, ValueError):  # a version that is no number
        encode, media = choose_encoder("")
    return Reply(encode(call.exchange.pod.metrics.registry), media)


def _name(served: Served | None) -> str | None:
    return f"{served.model.version.name}:{served.model.version.version}" if served else None


METRICS: Final = Operation(
    "GET",
    "/metrics",
    _metrics,
    PROBES,
    "Metrics for Prometheus",
    documents.Anything,
    media="text/plain",
)
OPERATIONS: Final = (
    get("/version", version, PROBES, "Which model is served, and its card", documents.Anything),
    get("/livez", _livez, PROBES, "Whether the process serves", documents.Alive),
    get("/startupz", _startupz, PROBES, "Whether the model is loaded", documents.Alive, READY),
    get("/readyz", _readyz, PROBES, "Whether requests are welcome", documents.Ready, READY),
)

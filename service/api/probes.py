"""The endpoints that tell of the pod itself: probes, metrics, version, index."""

import orjson
from flask import Blueprint, Response, request
from prometheus_client.exposition import choose_encoder

from service.http.middleware import require, require_ready
from service.pod.assembly import Pod, Served
from service.tasks.table import ENDPOINTS

_PATHS = ["/", "/version", "/livez", "/startupz", "/readyz", "/metrics"]


def probes(pod: Pod) -> Blueprint:
    """Return the endpoints."""
    blueprint = Blueprint("probes", __name__)

    @blueprint.get("/livez")
    def livez() -> Response:
        """Answer as long as the process serves at all."""
        return _json({"status": "alive", "state": pod.state.value})

    @blueprint.get("/startupz")
    def startupz() -> Response:
        """Answer 200 once the model is loaded and warm, and from then on."""
        require(pod.served is not None, pod)
        return _json({"status": "started", "state": pod.state.value})

    @blueprint.get("/readyz")
    def readyz() -> Response:
        """Answer 200 while new requests are welcome."""
        require_ready(pod)
        return _json({"status": "ready", "version": pod.version})

    @blueprint.get("/metrics")
    def metrics() -> Response:
        """Return the metrics in Prometheus' or OpenMetrics' text form."""
        try:
            encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        return Response(encode(pod.metrics.registry), content_type=content_type)

    add_version(blueprint, pod)

    @blueprint.get("/")
    def index() -> Response:
        """Say what there is and what to send."""
        examples = {f"POST /{name}": each.example for name, each in ENDPOINTS.items()}
        return _json({"service": "bertmesh pod", "examples": examples, "GET": _PATHS})

    return blueprint


def add_version(blueprint: Blueprint, pod: Pod) -> None:
    """Add the endpoint that tells which model is served, and what its card says."""
    blueprint.add_url_rule("/version", "version", lambda: _json(_version(pod)))


def _version(pod: Pod) -> dict[str, object]:
    if pod.served is None:
        return {"version": pod.version, "state": pod.state.value}
    model = pod.served.model.version
    return {
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


def _name(served: Served | None) -> str | None:
    return f"{served.model.version.name}:{served.model.version.version}" if served else None


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), content_type="application/json")

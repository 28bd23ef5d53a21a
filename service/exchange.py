"""What surrounds every request: its id, its span, its headers, its metrics and its log line."""

import logging
import re
import uuid
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from flask import Flask, Response, g, request
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span

from observability import names
from service.cache import CacheStatus
from service.pod import Pod

SERVER_ERROR = 500
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_QUIET = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})
"""Paths that are asked every second by machines: no span, no log line, no request metric."""

log = logging.getLogger("service.access")


@dataclass
class Exchange:
    """One request and its answer; lives in `flask.g`."""

    request_id: str
    started: float
    mirrored: bool
    task: str = "other"
    cache: CacheStatus | None = None
    problem: str | None = None
    prediction_id: str | None = None
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def route(self) -> str:
        """Whether this is a client's request or its shadow."""
        return "mirror" if self.mirrored else "primary"


def current() -> Exchange:
    """Return the exchange of the request that is being handled."""
    exchange: Exchange = g.exchange
    return exchange


def install(app: Flask, pod: Pod) -> None:
    """Surround the app's requests."""

    def begin() -> None:
        g.exchange = exchange = Exchange(_request_id(), pod.clock(), _mirrored(pod))
        if request.path not in _QUIET:
            exchange.stack.enter_context(pod.metrics.in_flight.track_inprogress())
            exchange.stack.enter_context(_span(pod, mirrored=exchange.mirrored))

    def finish(response: Response) -> Response:
        exchange = current()
        response.headers[names.REQUEST_ID_HEADER] = exchange.request_id
        if pod.version:
            response.headers[names.VERSION_HEADER] = pod.version
        if exchange.cache:
            response.headers[names.CACHE_HEADER] = exchange.cache.value
        if request.path not in _QUIET:
            _record(pod, exchange, response.status_code)
        return response

    app.before_request(begin)
    app.after_request(finish)
    app.teardown_request(lambda _error: current().stack.close())


def _request_id() -> str:
    sent = request.headers.get(names.REQUEST_ID_HEADER, "")
    return sent if _REQUEST_ID.fullmatch(sent) else str(uuid.uuid4())


def _mirrored(pod: Pod) -> bool:
    """Tell whether the route chose another version: then this pod holds a shadow copy."""
    chosen = request.headers.get(names.ROUTE_HEADER)
    return bool(chosen) and chosen != pod.version


def _span(pod: Pod, *, mirrored: bool) -> AbstractContextManager[Span]:
    method = request.method if request.method in _METHODS else "_OTHER"
    route = request.url_rule.rule if request.url_rule else None
    host, _, port = request.host.rpartition(":")
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.path": request.path,
        "url.scheme": request.scheme,
        "server.address": host or port,
        "bertmesh.model.version": pod.version,
        "bertmesh.mirrored": mirrored,
    }
    attributes |= {"http.route": route} if route else {}
    attributes |= {"server.port": int(port)} if host and port.isdigit() else {}
    return pod.tracer.start_as_current_span(
        f"{method} {route}" if route else method,
        context=extract(request.headers),
        kind=SpanKind.SERVER,
        attributes=attributes,
    )


def _record(pod: Pod, exchange: Exchange, status: int) -> None:
    span = get_current_span()
    span.set_attribute("http.response.status_code", status)
    if status >= SERVER_ERROR:
        span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))
    cache = exchange.cache.value if exchange.cache else ""
    seconds = pod.clock() - exchange.started
    metrics = pod.metrics
    metrics.requests.labels(exchange.task, str(status), cache, exchange.route, pod.version).inc()
    metrics.duration.labels(exchange.task, exchange.route, pod.version).observe(seconds, _exemplar(span))
    if exchange.problem:
        metrics.rejected.labels(exchange.problem).inc()
    fields = {
        "method": request.method,
        "path": request.path,
        "status": status,
        "ms": round(seconds * 1000, 2),
        "cache": cache,
        "route": exchange.route,
        "model_version": pod.version,
        "request_id": exchange.request_id,
        "prediction_id": exchange.prediction_id,
        "problem": exchange.problem,
    }
    log.info("request", extra={"fields": {name: value for name, value in fields.items() if value}})


def _exemplar(span: Span) -> dict[str, str] | None:
    context = span.get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.trace_flags.sampled else None

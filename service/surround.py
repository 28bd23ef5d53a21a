"""What surrounds every HTTP request: its exchange, its span and the headers of its answer."""

from contextlib import AbstractContextManager, ExitStack

from flask import Flask, Response, g, request
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind

from service.errors import NotReady
from service.exchange import Exchange
from service.pod import Pod, State

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_QUIET = frozenset({"/livez", "/readyz", "/startupz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Paths that are asked every second by machines: no span, no log line, no request metric."""


def current() -> Exchange:
    """Return the exchange of the request that is being handled."""
    exchange: Exchange = g.exchange
    return exchange


def require_ready(pod: Pod) -> None:
    """Raise NotReady unless new requests are welcome."""
    require(pod.state is State.READY, pod)


def require(holds: bool, pod: Pod) -> None:  # noqa: FBT001 - an assertion
    """Raise NotReady unless something holds."""
    if not holds:
        message = f"the pod is {pod.state.value}; a warm model and no drain needed: wait or ask another pod"
        raise NotReady(message)


def install(app: Flask, pod: Pod) -> None:
    """Surround the app's requests."""

    def begin() -> None:
        g.stack = ExitStack()
        # First of all: whatever else is asked of the pod is then asked of one and the same model.
        g.stack.enter_context(pod.pinned())
        headers = {name.lower(): value for name, value in request.headers}
        g.exchange = exchange = Exchange.arriving(pod, headers, method=request.method, path=request.path)
        if request.path not in _QUIET:
            g.stack.enter_context(pod.metrics.in_flight.track_inprogress())
            g.stack.enter_context(_span(pod, mirrored=exchange.mirrored))

    def finish(response: Response) -> Response:
        exchange = current()
        response.headers.update(exchange.headers())
        if request.path not in _QUIET:
            exchange.record(response.status_code)
        return response

    app.before_request(begin)
    app.after_request(finish)
    app.teardown_request(lambda _error: g.stack.close())


def _span(pod: Pod, *, mirrored: bool) -> AbstractContextManager[Span]:
    method = request.method if request.method in METHODS else "_OTHER"
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

"""What surrounds every HTTP request: its exchange, its span and the headers of its answer."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

from opentelemetry.trace import Span

from service.errors import NotReady
from service.pod.assembly import Pod, State
from service.pod.exchange import Exchange

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
_QUIET = frozenset({"/livez", "/readyz", "/startupz", "/metrics", "/v2/health/live", "/v2/health/ready"})
"""Paths that are asked every second by machines: no span, no log line, no request metric."""

_PORT_DIGITS = 5

log = logging.getLogger(__name__)


def require_ready(pod: Pod) -> None:
    """Raise NotReady unless new requests are welcome."""
    require(pod.state is State.READY, pod)


def require(holds: bool, pod: Pod) -> None:  # noqa: FBT001 - an assertion
    """Raise NotReady unless something holds."""
    if not holds:
        message = f"the pod is {pod.state.value}; a warm model and no drain needed: wait or ask another pod"
        raise NotReady(message)


@contextmanager
def entered(pod: Pod, environ: "WSGIEnvironment", rule: str | None) -> Iterator[Exchange]:
    """Surround one request; ``rule`` is its route, None where there is no such path."""
    method, path = environ["REQUEST_METHOD"], readable(environ["PATH_INFO"])
    # First of all: whatever else is asked of the pod is then asked of one and the same model.
    with pod.pinned():
        exchange = Exchange.arriving(pod, _Headers(environ), method=method, path=path)
        if path in _QUIET:
            yield exchange
        else:
            with pod.metrics.in_flight.track_inprogress(), ExitStack() as stack:
                if exchange.traced:
                    _trace(stack, exchange, environ, rule)
                yield exchange


def finished(exchange: Exchange, status: int) -> Mapping[str, str]:
    """Record a request that was answered and return the headers that its answer carries."""
    headers = exchange.headers()
    if exchange.path not in _QUIET:
        exchange.record(status)
    return headers


class _Headers(Mapping[str, str]):
    """A request's headers, looked up in lower case."""

    def __init__(self, environ: "WSGIEnvironment") -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        value: str = self._environ[_variable(name)]
        return value

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override] # the base's overloads say the same
        """Return a header, or the default where it was not sent."""
        value: str | None = self._environ.get(_variable(name), default)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name[5:].replace("_", "-").lower() for name in self._environ if name.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _variable(name: str) -> str:
    return "HTTP_" + name.replace("-", "_").upper()


def readable(path: str) -> str:
    """Return a path as it was meant: WSGI hands its bytes over as characters."""
    return path if path.isascii() else path.encode("latin-1").decode(errors="replace")


def _trace(stack: ExitStack, exchange: Exchange, environ: "WSGIEnvironment", rule: str | None) -> None:
    """Begin the request's span; a request goes without rather than not at all."""
    try:
        stack.enter_context(_span(exchange, environ, rule))
    except Exception:
        log.exception("a request goes without its span")


def _span(exchange: Exchange, environ: "WSGIEnvironment", rule: str | None) -> AbstractContextManager[Span]:
    method = exchange.method if exchange.method in METHODS else "_OTHER"
    host, _, port = environ.get("HTTP_HOST", "").rpartition(":")
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.path": exchange.path,
        "url.scheme": environ["wsgi.url_scheme"],
        "server.address": host or port,
    }
    attributes |= {"http.route": rule} if rule else {}
    if host and port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS:
        attributes["server.port"] = int(port)
    return exchange.span(f"{method} {rule}" if rule else method, _Headers(environ), attributes)

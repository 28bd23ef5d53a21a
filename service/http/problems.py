"""Every failure as a problem document (RFC 9457), with a type that stays the same for good."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import orjson
from werkzeug.exceptions import HTTPException

from service.errors import ServiceError, brief
from service.http.limits import MAX_BODY_BYTES
from service.pod.exchange import Exchange

TYPE_PREFIX = "urn:bertmesh:problem:"
MEDIA_TYPE = "application/problem+json"
LONGEST_PATH = 200
"""A longer one is told by its beginning."""
_IN_A_PATH = "/:@!$&'()*+,;=~"
"""What stands in the path of a URI as it is (RFC 3986, section 3.3)."""

log = logging.getLogger(__name__)

HTTP_PROBLEMS: dict[int, tuple[str, str]] = {
    404: ("not-found", "there is nothing at {path}; GET / lists what there is"),
    405: ("method-not-allowed", "{path} does not take {method}; allowed: {allow}"),
    413: ("body-too-large", "a body of more than {limit:,} bytes; send less, in several requests"),
    416: (
        "range-not-satisfiable",
        "the range is not in this file; the header Content-Range says how long it is; ask within it",
    ),
}


@dataclass(frozen=True)
class Problem:
    """What is answered to a request that failed."""

    status: int
    slug: str
    body: bytes
    headers: Mapping[str, str]


def told(error: Exception, exchange: Exchange) -> Problem:
    """Return what to answer, whatever went wrong, and note it in the exchange."""
    problem = _http_problem(error, exchange) if isinstance(error, HTTPException) else _stated(error, exchange)
    exchange.problem = problem.slug
    return problem


def _stated(error: Exception, exchange: Exchange) -> Problem:
    """Return what to answer to an error of the pod, or to one that nobody foresaw."""
    if not isinstance(error, ServiceError):
        fields = {"request_id": exchange.request_id}
        log.error("unexpected failure", exc_info=error, extra={"fields": fields})
        error = ServiceError()
    said = (error.slug, error.title, str(error))
    return _problem(exchange, error.status, said, error.headers, error.extra)


def _http_problem(error: HTTPException, exchange: Exchange) -> Problem:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    title = HTTPStatus(status).phrase
    slug, template = HTTP_PROBLEMS.get(status, (title.lower().replace(" ", "-"), ""))
    allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
    path = brief(exchange.path, LONGEST_PATH)
    detail = template.format(path=path, method=exchange.method, allow=allowed, limit=MAX_BODY_BYTES)
    said = (slug, title, detail or error.description or title)
    own = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return _problem(exchange, status, said, {**own, "Allow": allowed} if allowed else own, {})


def _problem(
    exchange: Exchange,
    status: int,
    said: tuple[str, str, str],
    headers: Mapping[str, str],
    extra: Mapping[str, object],
) -> Problem:
    """Write a problem; ``said`` is its slug, its title and its detail."""
    slug, title, detail = said
    path = exchange.path
    instance = quote(path, safe=_IN_A_PATH, errors="replace") if len(path) <= LONGEST_PATH else ""
    document = {
        "type": TYPE_PREFIX + slug,
        "title": title,
        "status": int(status),
        "detail": detail,
        **({"instance": instance} if instance else {}),
        "request_id": exchange.request_id,
        **_in_the_protocols_words(path, status, slug, detail),
        **extra,
    }
    return Problem(int(status), slug, orjson.dumps(document), headers)


def _in_the_protocols_words(path: str, status: int, slug: str, detail: str) -> dict[str, object]:
    """Return the member ``error`` that clients of the other protocols look for."""
    if path.startswith("/v2"):
        return {"error": detail}
    if path.startswith("/v1"):
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        return {"error": {"message": detail, "type": kind, "code": slug, "param": None}}
    return {}

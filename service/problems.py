"""Every failure as a problem document (RFC 9457), with a type that stays the same for good."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from service.errors import ServiceError
from service.exchange import Exchange
from service.schema import MAX_BODY_BYTES
from service.surround import current

TYPE_PREFIX = "urn:bertmesh:problem:"
MEDIA_TYPE = "application/problem+json"

log = logging.getLogger(__name__)

HTTP_PROBLEMS: dict[int, tuple[str, str]] = {
    404: ("not-found", "there is nothing at {path}; GET / lists what there is"),
    405: ("method-not-allowed", "{path} does not take {method}; allowed: {allow}"),
    413: ("body-too-large", "a body of more than {limit:,} bytes; send less, in several requests"),
}


@dataclass(frozen=True)
class Problem:
    """What is answered to a request that failed."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def install(app: Flask) -> None:
    """Make the app answer every failure with a problem document."""

    def answer(error: Exception) -> Response:
        problem = told(error, current())
        return Response(problem.body, problem.status, problem.headers, content_type=MEDIA_TYPE)

    app.register_error_handler(Exception, answer)


def told(error: Exception, exchange: Exchange) -> Problem:
    """Return what to answer, whatever went wrong, and note it in the exchange."""
    if isinstance(error, ServiceError):
        said = (error.status, error.slug, error.title, str(error))
        return _problem(exchange, *said, extra=error.extra, headers=error.headers)
    if isinstance(error, HTTPException):
        return _http_problem(error, exchange)
    log.error("unexpected failure", exc_info=error)
    detail = "the pod failed unexpectedly; its log has the cause under this request id"
    return _problem(exchange, HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)


def _http_problem(error: HTTPException, exchange: Exchange) -> Problem:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    title = HTTPStatus(status).phrase
    slug, detail = HTTP_PROBLEMS.get(status, (title.lower().replace(" ", "-"), error.description or title))
    allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
    detail = detail.format(path=exchange.path, method=exchange.method, allow=allowed, limit=MAX_BODY_BYTES)
    return _problem(exchange, status, slug, title, detail, headers={"Allow": allowed} if allowed else {})


def _problem(  # noqa: PLR0913 - a problem's members
    exchange: Exchange,
    status: int,
    slug: str,
    title: str,
    detail: str,
    *,
    extra: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Problem:
    exchange.problem = slug
    document = {
        "type": TYPE_PREFIX + slug,
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": exchange.path,
        "request_id": exchange.request_id,
        **_in_the_protocols_words(exchange.path, status, slug, detail),
        **(extra or {}),
    }
    return Problem(int(status), orjson.dumps(document), headers or {})


def _in_the_protocols_words(path: str, status: int, slug: str, detail: str) -> dict[str, object]:
    """Return the member ``error`` that clients of the other protocols look for."""
    if path.startswith("/v2"):
        return {"error": detail}
    if path.startswith("/v1"):
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        return {"error": {"message": detail, "type": kind, "code": slug, "param": None}}
    return {}

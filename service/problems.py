"""Every failure as a problem document (RFC 9457), with a type that stays the same for good."""

import logging
from http import HTTPStatus

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from service.errors import ServiceError
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


def install(app: Flask) -> None:
    """Make the app answer every failure with a problem document."""
    app.register_error_handler(ServiceError, _service_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _service_error(error: ServiceError) -> Response:
    response = _problem(error.status, error.slug, error.title, str(error), **error.extra)
    response.headers.update(error.headers)
    return response


def _http_error(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    title = HTTPStatus(status).phrase
    slug, detail = HTTP_PROBLEMS.get(status, (title.lower().replace(" ", "-"), error.description or title))
    allowed = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
    detail = detail.format(path=request.path, method=request.method, allow=allowed, limit=MAX_BODY_BYTES)
    response = _problem(status, slug, title, detail)
    if allowed:
        response.headers["Allow"] = allowed
    return response


def _unexpected(error: Exception) -> Response:
    log.error("unexpected failure", exc_info=error)
    detail = "the pod failed unexpectedly; its log has the cause under this request id"
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)


def _problem(status: int, slug: str, title: str, detail: str, **more: object) -> Response:
    exchange = current()
    exchange.problem = slug
    document = {
        "type": TYPE_PREFIX + slug,
        "title": title,
        "status": int(status),
        "detail": detail,
        "instance": request.path,
        "request_id": exchange.request_id,
        **_in_the_protocols_words(request.path, status, slug, detail),
        **more,
    }
    return Response(orjson.dumps(document), status=status, content_type=MEDIA_TYPE)


def _in_the_protocols_words(path: str, status: int, slug: str, detail: str) -> dict[str, object]:
    """Return the member ``error`` that clients of the other protocols look for."""
    if path.startswith("/v2"):
        return {"error": detail}
    if path.startswith("/v1"):
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        return {"error": {"message": detail, "type": kind, "code": slug, "param": None}}
    return {}

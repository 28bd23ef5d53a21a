"""Bodies of requests and answers, as far as HTTP is concerned."""

from contextlib import suppress
from typing import TYPE_CHECKING

import orjson
from flask import Response
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.wsgi import get_input_stream

from service.errors import BodyTooSlow, WrongContentType
from service.schema import MAX_BODY_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON = "application/json"
_POURED_BYTES = 8 * MAX_BODY_BYTES
_AT_ONCE = 1 << 16


def json_body(environ: "WSGIEnvironment") -> bytes:
    """Return the body of a request that says it is JSON.

    Raises:
        WrongContentType: It says something else.
        BodyTooSlow: It did not arrive in time, or not to its end.
        RequestEntityTooLarge: It has more than `MAX_BODY_BYTES` bytes.
    """
    kind = environ.get("CONTENT_TYPE", "")
    if kind != JSON and not _is_json(kind):
        raise WrongContentType(
            seen=f"a body of type {kind or 'unknown'!r}",
            needed="application/json in UTF-8",
            do="send the header Content-Type: application/json",
        )
    try:
        return get_input_stream(environ, max_content_length=MAX_BODY_BYTES).read()
    except RequestEntityTooLarge:
        _pour_away(environ)
        raise
    except ClientDisconnected:
        raise BodyTooSlow from None


def _pour_away(environ: "WSGIEnvironment") -> None:
    """Read a body that is too large, within reason: a client that still sends would not hear the answer."""
    stream = get_input_stream(environ, max_content_length=_POURED_BYTES)
    with suppress(HTTPException):  # more than is reasonable, or too slow: then it hears nothing
        while stream.read(_AT_ONCE):
            pass


def to_json(document: object) -> bytes:
    """Return JSON; arrays of float32 are written as short as they can be read back."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def json_response(document: object) -> Response:
    """Return a document as the answer of a view of Flask's."""
    return Response(to_json(document), content_type=JSON)


def _is_json(content_type: str) -> bool:
    kind, options = parse_options_header(content_type)
    return kind.lower() == JSON and options.get("charset", "utf-8").lower() in ("utf-8", "utf8")

"""Bodies of requests and answers, as far as HTTP is concerned."""

from contextlib import suppress
from typing import TYPE_CHECKING

import orjson
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.wsgi import get_input_stream

from service.errors import BodyTooSlow, ServiceError, WrongContentType
from service.http.errors import MalformedRequest, WrongContentEncoding
from service.http.limits import MAX_BODY_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON = "application/json"
_POURED_BYTES = 8 * MAX_BODY_BYTES
_AT_ONCE = 1 << 16
_SEEN_CHARACTERS = 200


def json_body(environ: "WSGIEnvironment") -> bytes:
    """Return the body of a request that says it is JSON.

    Raises:
        WrongContentType: It says something else.
        WrongContentEncoding: It is compressed.
        BodyTooSlow: It did not arrive in time, or not to its end.
        MalformedRequest: Its chunks are not what HTTP has.
        RequestEntityTooLarge: It has more than `MAX_BODY_BYTES` bytes.
    """
    try:
        _require_json(environ)
        return _whole_body(environ)
    except (RequestEntityTooLarge, WrongContentType, WrongContentEncoding):
        _pour_away(environ)
        raise
    except ServiceError:
        _give_up(environ)
        raise


def _whole_body(environ: "WSGIEnvironment") -> bytes:
    try:
        body = get_input_stream(environ, max_content_length=MAX_BODY_BYTES).read()
    except ClientDisconnected:
        raise BodyTooSlow from None
    except ParseException as error:
        raise MalformedRequest(
            seen=str(error)[:_SEEN_CHARACTERS],
            needed="chunks as in RFC 9112",
            do="mend the client, or let a library write HTTP",
        ) from error
    announced = int(environ.get("CONTENT_LENGTH") or 0)
    if len(body) < announced:
        seen = f"a body that ends after {len(body):,} of {announced:,} bytes"
        raise BodyTooSlow(seen)
    return body


def _require_json(environ: "WSGIEnvironment") -> None:
    kind = environ.get("CONTENT_TYPE", "")
    if kind != JSON and not _is_json(kind):
        raise WrongContentType(
            seen=f"a body of type {kind or 'unknown'!r}",
            needed="application/json in UTF-8",
            do="send the header Content-Type: application/json",
        )
    coding = environ.get("HTTP_CONTENT_ENCODING")
    if coding and coding.lower() != "identity":
        raise WrongContentEncoding(
            seen=f"a body with Content-Encoding: {coding[:40]}",
            needed="the body as it is",
            do="switch the client's compression of requests off",
        )


def _pour_away(environ: "WSGIEnvironment") -> None:
    """Read a body that nobody wants, within reason: a client that still sends would not hear the answer."""
    try:
        stream = get_input_stream(environ, max_content_length=_POURED_BYTES)
        while stream.read(_AT_ONCE):
            pass
    except (HTTPException, ParseException):  # more than is reasonable, too slow or broken: it hears nothing
        _give_up(environ)


def _give_up(environ: "WSGIEnvironment") -> None:
    """Let the connection end with this answer, and the answer say so: the rest of the body is not read."""
    with suppress(AttributeError):  # not a pod's, see `pre_request` in service.server.gunicorn_conf
        environ["wsgi.input"].request.force_close()


def to_json(document: object) -> bytes:
    """Return JSON; arrays of float32 are written as short as they can be read back."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


def _is_json(content_type: str) -> bool:
    kind, options = parse_options_header(content_type)
    return kind.lower() == JSON and options.get("charset", "utf-8").lower() in ("utf-8", "utf8")

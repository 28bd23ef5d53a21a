"""What gunicorn cannot read, in the pod's own words: its errors, and an answer where there is no request."""

from urllib.parse import unquote

from gunicorn.http import errors as gunicorns

from observability import names
from service.http.errors import (
    HeadersTooLarge,
    HttpError,
    MalformedRequest,
    RequestLineTooLong,
    UnknownExpectation,
    UnknownTransferCoding,
)
from service.http.problems import MEDIA_TYPE, Problem, stated
from service.pod.ids import new_id

_SEEN_CHARACTERS = 200
_MALFORMED = (MalformedRequest, "HTTP/1.1 as in RFC 9112", "mend the client, or let a library write HTTP")
_TABLE: dict[type[Exception], tuple[type[HttpError], str, str]] = {
    gunicorns.LimitRequestLine: (RequestLineTooLong, "at most 4,094 bytes", "shorten the path"),
    gunicorns.LimitRequestHeaders: (
        HeadersTooLarge,
        "at most 100 headers of at most 8,190 bytes",
        "send fewer or shorter ones",
    ),
    gunicorns.ExpectationFailed: (UnknownExpectation, "100-continue or nothing", "leave Expect out"),
    gunicorns.UnsupportedTransferCoding: (UnknownTransferCoding, "chunked", "send the body as it is"),
}


def translated(error: gunicorns.ParseException) -> HttpError:
    """Return the pod's error for one of gunicorn's."""
    kind, needed, do = _TABLE.get(type(error), _MALFORMED)
    return kind(seen=str(error)[:_SEEN_CHARACTERS], needed=needed, do=do)


def refusal(error: Exception, path: str) -> tuple[str, bytes]:
    """Return the type of a failure outside of any request, and the whole answer to it.

    ``path`` is what the request line names; empty where it could not be read.
    """
    request_id = new_id()
    known = translated(error) if isinstance(error, gunicorns.ParseException) else error
    problem = stated(known, unquote(path), request_id)
    return problem.slug, _written(problem, request_id)


def _written(problem: Problem, request_id: str) -> bytes:
    lines = (
        f"HTTP/1.1 {problem.line}",
        "Connection: close",
        f"Content-Type: {MEDIA_TYPE}",
        f"Content-Length: {len(problem.body)}",
        f"{names.REQUEST_ID_HEADER}: {request_id}",
    )
    return "\r\n".join((*lines, "", "")).encode() + problem.body

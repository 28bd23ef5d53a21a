"""Errors of HTTP itself: what came is not the HTTP that the pod takes, whatever was asked."""

from collections.abc import Mapping

from service.errors import RequestError


class HttpError(RequestError):
    """The client must change how it speaks HTTP; base of the errors that gRPC does not know."""


class MalformedRequest(HttpError):
    """The chunks of the body are not HTTP; the connection ends."""

    status, slug, title = 400, "malformed-request", "Request is not HTTP"


class PathNotPlain(HttpError):
    """The path has empty or dot segments, or a letter as a code: proxies and pods read it differently."""

    status, slug, title = 404, "path-not-plain", "Path is not plain"


class WrongContentEncoding(HttpError):
    """The body is compressed; it is taken only as it is."""

    status, slug, title = 415, "wrong-content-encoding", "Body is encoded"

    @property
    def headers(self) -> Mapping[str, str]:
        """What is taken (RFC 9110, section 12.5.3)."""
        return {"Accept-Encoding": "identity"}

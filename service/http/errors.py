"""Errors of HTTP itself: what came is not the HTTP that the pod takes, whatever was asked."""

from collections.abc import Mapping

from service.errors import RequestError


class HttpError(RequestError):
    """The client must change how it speaks HTTP; base of the errors that gRPC does not know."""


class MalformedRequest(HttpError):
    """The request line, the headers or the chunks of the body are not HTTP; the connection ends."""

    status, slug, title = 400, "malformed-request", "Request is not HTTP"


class RequestLineTooLong(HttpError):
    """The first line of the request, with its path, has more than 4,094 bytes."""

    status, slug, title = 414, "request-line-too-long", "Request line is too long"


class WrongContentEncoding(HttpError):
    """The body is compressed; it is taken only as it is."""

    status, slug, title = 415, "wrong-content-encoding", "Body is encoded"

    @property
    def headers(self) -> Mapping[str, str]:
        """What is taken (RFC 9110, section 12.5.3)."""
        return {"Accept-Encoding": "identity"}


class UnknownExpectation(HttpError):
    """The header Expect asks for something else than 100-continue."""

    status, slug, title = 417, "unknown-expectation", "Expectation is not known"


class HeadersTooLarge(HttpError):
    """The headers are more than 100, or one of them has more than 8,190 bytes."""

    status, slug, title = 431, "headers-too-large", "Headers are too large"


class UnknownTransferCoding(HttpError):
    """The header Transfer-Encoding names something else than chunked."""

    status, slug, title = 501, "unknown-transfer-coding", "Transfer coding is not known"

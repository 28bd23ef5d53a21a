"""What HTTP's library refuses, as errors of gRPC's calls: with the same types of problem."""

from service.errors import ServiceError
from service.http.limits import MAX_BODY_BYTES


class NoSuchMethod(ServiceError):
    """Nobody answers under this name."""

    status, slug, title = 404, "not-found", "Not Found"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"there is no method {path[:200]} here; one that reflection lists needed: "
            "ask that; models are changed through the admin port"
        )


class MessageTooLarge(ServiceError):
    """A message is larger than the largest body over HTTP."""

    status, slug, title = 413, "body-too-large", "Request Entity Too Large"

    def __init__(self, seen: int) -> None:
        super().__init__(
            f"a message of {seen:,} bytes; at most {MAX_BODY_BYTES:,} needed: send less, in several requests"
        )

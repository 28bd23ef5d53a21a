"""The page docs/errors.md, written from the errors themselves; `make generate` writes it."""

from collections.abc import Iterator
from dataclasses import dataclass

from service import errors
from service.errors import ServiceError
from service.http import errors as http_errors
from service.http.errors import HttpError
from service.http.problems import HTTP_PROBLEMS


@dataclass(frozen=True)
class ProblemType:
    """A type of problem: its stable name, its status, and when it is given."""

    slug: str
    status: int
    when: str
    http_only: bool = False
    """Whether it is about HTTP itself."""


_HTTP_WHEN = {
    404: "There is nothing under this path.",
    405: "The path does not take this method; the header Allow lists those that it takes.",
    413: "The body is larger than 1 MiB.",
    416: "The header Range asks for bytes that the file does not have; Content-Range says how many it has.",
}
_METHODS_AND_RANGES = (405, 416)
"""What gRPC does not have, and no operation's description lists."""

_HEAD = """\
# Errors

Every failure is answered with a problem document (RFC 9457, `application/problem+json`):

    {
      "type": "urn:bertmesh:problem:no-mask",
      "title": "Text has no mask",
      "status": 422,
      "detail": "a text without a mask; at least one [MASK] needed: put it ...",
      "instance": "/fill-mask",
      "request_id": "8f9a01c4-f326-4295-b535-3d0f3a2f5b7e"
    }

What a gateway answers by itself (no such version, a path that is closed, no pod, a limit) is such a
document, too, with the type `about:blank`: its status says it all, and it has neither `instance` nor
`request_id`. A sidecar's own 401, 403 and 429 are plain text.

Act on `type`: it stays the same for good. `detail` is for people and says what was seen, what was needed
and what to do. `invalid-fields` lists the fields at fault under `errors`, by their whole path
(`inputs[0].shape[1]`): the first 20, and `detail` says how many more there are. A sender's own words are
shortened where they are long. A text at fault in a list has its place as `index`. Under `/v2` the member
`error` repeats the sentence, and under `/v1` it is the object that OpenAI's clients read. gRPC answers
with the status beside it, the sentence as details (of a long one the beginning and the end), and the type
in the trailing metadata `bertmesh-problem`. Only a message of more than 4 MiB has no type: gRPC refuses it
by itself.

429 is overload: wait as long as `Retry-After` says, which is computed from the queue. 503 is a pod that
starts or ends: ask another one. 408 is the sender's own: its body came too slowly, or it set a deadline
with `X-Request-Timeout-Ms` that was too short; a version is not judged by it.

| type, after `urn:bertmesh:problem:` | HTTP | gRPC | when |
|---|---|---|---|
"""

GRPC = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    507: "RESOURCE_EXHAUSTED",
}
"""gRPC's status for the HTTP status of an error, by name: gRPC need not be loaded."""
GRPC_BY_TYPE = {"not-found": "UNIMPLEMENTED"}
"""Where gRPC has a status of its own for a type of problem."""


def problem_types() -> tuple[ProblemType, ...]:
    """Return all types that a client may see, by status and name."""
    found = {ProblemType("internal", 500, "The pod failed unexpectedly; its log has the cause.")}
    found |= {
        ProblemType(slug, status, _HTTP_WHEN[status], status in _METHODS_AND_RANGES)
        for status, (slug, _) in HTTP_PROBLEMS.items()
    }
    for error in _subclasses(ServiceError):
        if "slug" in vars(error):
            http_only = issubclass(error, HttpError)
            found.add(ProblemType(error.slug, error.status, _first_paragraph(error), http_only))
    return tuple(sorted(found, key=lambda each: (each.status, each.slug)))


def page() -> str:
    """Return docs/errors.md."""
    rows = (f"| `{each.slug}` | {each.status} | {_code(each)} | {each.when} |" for each in problem_types())
    return _HEAD + "\n".join(rows) + "\n"


def _code(each: ProblemType) -> str:
    if each.http_only:
        return "-"
    return GRPC_BY_TYPE.get(each.slug) or GRPC.get(each.status, "-")


def _subclasses(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for each in error.__subclasses__():
        if each.__module__ in (errors.__name__, http_errors.__name__):
            yield each
            yield from _subclasses(each)


def _first_paragraph(error: type[ServiceError]) -> str:
    return " ".join((error.__doc__ or "").partition("\n\n")[0].split())

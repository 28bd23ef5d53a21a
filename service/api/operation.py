"""One thing that can be asked of a pod over HTTP: what answers it, and how it is described."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from service.http.router import Handler, Route

TASKS, PROBES, OIP, OPENAI = "Tasks", "Probes", "Open Inference Protocol", "OpenAI"
TAGS: Final[Mapping[str, str]] = {
    TASKS: "The pod's own endpoints, one a task.",
    OPENAI: "For clients of OpenAI's embeddings.",
    OIP: "For clients of the Open Inference Protocol, version 2 (KServe, Triton).",
    PROBES: "For machines that watch the pod.",
}
READY: Final = (500, 503)
MODEL: Final = (404, *READY)
ASKED: Final = (400, 404, 408, 413, 415, 422, 429, *READY)
"""The statuses of failures of what needs a model, names one, or computes."""


@dataclass(frozen=True)
class Operation(Route):
    """A route with its description. ``problems`` are the statuses of its failures."""

    tag: str
    summary: str
    answer: type[BaseModel]
    request: type[BaseModel] | None = None
    timed: bool = False
    media: str = "application/json"
    problems: tuple[int, ...] = (500,)
    example: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """A name that no other operation has."""
        words = self.path.replace("{", "").replace("}", "").replace("/", "-").strip("-")
        return f"{self.method.lower()}-{words}" if words else self.method.lower()


def get(
    path: str,
    handle: Handler,
    tag: str,
    summary: str,
    answer: type[BaseModel],
    problems: tuple[int, ...] = (500,),
) -> Operation:
    """Return an operation that is asked for by its path alone."""
    return Operation("GET", path, handle, tag, summary, answer, problems=problems)


def asked(  # noqa: PLR0913 - what it consists of
    path: str,
    handle: Handler,
    tag: str,
    summary: str,
    *,
    request: type[BaseModel],
    example: Mapping[str, Any],
    answer: type[BaseModel],
) -> Operation:
    """Return an operation that computes: its request has an example, and may have a deadline."""
    return Operation(
        "POST", path, handle, tag, summary, answer, request, timed=True, problems=ASKED, example=example
    )

"""All that can be asked of a pod over HTTP, as a table: the OpenAPI description and /docs come from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from service.api import documents
from service.api.embeddings import EmbeddingsRequest
from service.api.oip import InferRequest
from service.tasks.table import ENDPOINTS

TASKS, PROBES, OIP, OPENAI = "Tasks", "Probes", "Open Inference Protocol", "OpenAI"
TAGS: Mapping[str, str] = {
    TASKS: "The pod's own endpoints: fill masks, compare texts, turn texts into vectors.",
    OPENAI: "For clients of OpenAI's embeddings.",
    OIP: "For clients of the Open Inference Protocol, version 2 (KServe, Triton).",
    PROBES: "For machines that watch the pod.",
}


@dataclass(frozen=True)
class Operation:
    """One method on one path. ``problems`` are the statuses of its failures."""

    method: str
    path: str
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


_ASKED = (400, 404, 408, 413, 415, 422, 429, 500, 503)
_MODEL = (404, 500, 503)
_INPUT = {"input": "今天天气很好。", "model": "zh-small"}
_TENSORS = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["今天天气很好。"]}]}


def _asked(path: str, summary: str, example: Mapping[str, Any], *models: type[BaseModel]) -> Operation:
    """Return an operation that computes; ``models`` are those of its request and its answer."""
    request, answer = models
    tag = OPENAI if path.startswith("/v1") else OIP if path.startswith("/v2") else TASKS
    return Operation(
        "POST", path, tag, summary, answer, request, timed=True, problems=_ASKED, example=example
    )


def _models() -> tuple[Operation, ...]:
    found: list[Operation] = []
    for start, which in (
        ("/v2/models/{name}", ""),
        ("/v2/models/{name}/versions/{version}", " of a version"),
    ):
        found += [
            Operation("GET", start, OIP, f"The tensors{which}", documents.ModelMetadata, problems=_MODEL),
            Operation(
                "GET", f"{start}/ready", OIP, f"The readiness{which}", documents.ModelReady, problems=_MODEL
            ),
            _asked(
                f"{start}/infer", f"Infer with tensors{which}", _TENSORS, InferRequest, documents.InferAnswer
            ),
        ]
    return tuple(found)


OPERATIONS: tuple[Operation, ...] = (
    *(
        _asked(f"/{each.name}", each.summary, each.example, each.request, documents.answer_to(each))
        for each in ENDPOINTS.values()
    ),
    _asked("/v1/embeddings", "Turn texts into unit vectors", _INPUT, EmbeddingsRequest, documents.Embeddings),
    Operation(
        "GET", "/v1/models", OPENAI, "The models that are served", documents.OpenAiModels, problems=(500, 503)
    ),
    Operation("GET", "/v1/models/{name}", OPENAI, "One model", documents.OpenAiModel, problems=_MODEL),
    Operation("GET", "/v2", OIP, "Who serves", documents.ServerMetadata),
    Operation("GET", "/v2/health/live", OIP, "Whether the process serves", documents.Live),
    Operation(
        "GET",
        "/v2/health/ready",
        OIP,
        "Whether requests are welcome",
        documents.ServerReady,
        problems=(500, 503),
    ),
    *_models(),
    Operation("GET", "/livez", PROBES, "Whether the process serves", documents.Alive),
    Operation(
        "GET", "/startupz", PROBES, "Whether the model is loaded", documents.Alive, problems=(500, 503)
    ),
    Operation("GET", "/readyz", PROBES, "Whether requests are welcome", documents.Ready, problems=(500, 503)),
    Operation("GET", "/version", PROBES, "Which model is served, and its card", documents.Anything),
    Operation("GET", "/metrics", PROBES, "Metrics for Prometheus", documents.Anything, media="text/plain"),
    Operation("GET", "/", PROBES, "What there is", documents.Anything),
)

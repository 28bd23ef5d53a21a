"""OpenAI's embeddings API: mean-pooled vectors of length 1, the same as feature-extraction gives.

https://platform.openai.com/docs/api-reference/embeddings
"""

from base64 import b64encode
from typing import Annotated, Any, Literal

from flask import Blueprint, Response, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.engine import Array
from service.errors import InvalidFields, UnknownModel
from service.http.body import json_body, json_response
from service.http.middleware import current
from service.pod.assembly import Pod
from service.pod.predict import Predictor
from service.tasks.base import Query
from service.tasks.features import Features, Vector
from service.tasks.pooling import Pooling
from service.tasks.request import Texts, document, validated

TASK = Features(Pooling.MEAN, normalize=True)


def _is_text(value: object) -> object:
    if isinstance(value, list) and value and not isinstance(value[0], str):
        message = (
            "holds token ids or other things; texts needed: send strings, for this model's tokens differ"
        )
        raise ValueError(message)
    return value


class EmbeddingsRequest(BaseModel):
    """Texts to turn into vectors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    input: Annotated[Texts, BeforeValidator(_is_text)] = Field(
        description="A text, or a list of up to 32 texts; token ids are refused.", examples=["今天天气很好。"]
    )
    model: str = Field(description="The model's name, or name:version.", examples=["zh-small"])
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="Numbers, or little-endian float32 in base64."
    )
    dimensions: int | None = Field(None, description="Only the model's own number is taken.")
    user: str | None = Field(None, description="Taken and not used.")


def embeddings(pod: Pod) -> Blueprint:
    """Return the endpoints."""
    blueprint = Blueprint("openai", __name__)

    @blueprint.post("/v1/embeddings")
    def create() -> Response:
        exchange = current()
        predictor = exchange.begin(TASK.name)
        asked = validated(EmbeddingsRequest, document(json_body(request.environ)))
        _require(predictor, asked.model)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        outcome = exchange.ask(predictor, TASK, [Query(text) for text in texts])
        vectors = [answer.numbers for answer in outcome.answers if isinstance(answer, Vector)]
        _require_width(asked.dimensions, len(vectors[0]))
        tokens = sum(len(predictor.reader.codec.encode(text).ids) for text in texts)
        return json_response(
            {
                "object": "list",
                "data": [_embedding(index, vector, asked) for index, vector in enumerate(vectors)],
                "model": predictor.name,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )

    @blueprint.get("/v1/models")
    def models() -> Response:
        return json_response({"object": "list", "data": [_model(pod.predictor)]})

    @blueprint.get("/v1/models/<name>")
    def model(name: str) -> Response:
        _require(pod.predictor, name)
        return json_response(_model(pod.predictor))

    return blueprint


def _require(predictor: Predictor, model: str) -> None:
    if model not in (predictor.name, f"{predictor.name}:{predictor.version}"):
        raise UnknownModel(model, None, known=predictor.name)


def _require_width(dimensions: int | None, width: int) -> None:
    if dimensions not in (None, width):
        said = f"is {dimensions}; {width} needed, which is what the model has: send that or leave it out"
        raise InvalidFields({"dimensions": said})


def _embedding(index: int, vector: Array, asked: EmbeddingsRequest) -> dict[str, object]:
    little = vector.astype("<f4")
    content: Any = vector if asked.encoding_format == "float" else b64encode(little.tobytes()).decode()
    return {"object": "embedding", "index": index, "embedding": content}


def _model(predictor: Predictor) -> dict[str, object]:
    return {"id": predictor.name, "object": "model", "created": 0, "owned_by": "bertmesh"}

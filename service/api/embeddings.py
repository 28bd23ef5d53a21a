"""OpenAI's embeddings API: mean-pooled vectors of length 1, the same as feature-extraction gives.

https://platform.openai.com/docs/api-reference/embeddings
"""

from base64 import b64encode
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from service.api import documents
from service.api.operation import MODEL, OPENAI, READY, asked, get
from service.engine import Array
from service.errors import InvalidFields, UnknownModel
from service.http.router import Call, Reply, json_reply
from service.pod.predict import Predictor
from service.tasks.base import Query
from service.tasks.features import Features, Vector
from service.tasks.pooling import Pooling
from service.tasks.request import Strict, Texts, document, listed, validated

TASK = Features(Pooling.MEAN, normalize=True)


def _is_text(value: object) -> object:
    if isinstance(value, list) and value and not isinstance(value[0], str):
        message = (
            "holds token ids or other things; texts needed: send strings, for this model's tokens differ"
        )
        raise ValueError(message)
    return value


class EmbeddingsRequest(Strict):
    """Texts to turn into vectors."""

    input: Annotated[Texts, BeforeValidator(_is_text)] = Field(
        description="A text, or a list of up to 32 texts; token ids are refused.", examples=["今天天气很好。"]
    )
    model: str = Field(description="The model's name, or name:version.", examples=["zh-small"])
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="Numbers, or little-endian float32 in base64."
    )
    dimensions: int | None = Field(None, description="Only the model's own number is taken.")
    user: str | None = Field(None, description="Taken and not used.")


def _create(call: Call) -> Reply:
    exchange = call.exchange
    predictor = exchange.begin(TASK.name)
    sent = validated(EmbeddingsRequest, document(call.body()))
    _require(predictor, sent.model)
    outcome = exchange.ask(predictor, TASK, [Query(text) for text in listed(sent.input)])
    vectors = [answer.numbers for answer in outcome.answers if isinstance(answer, Vector)]
    _require_width(sent.dimensions, len(vectors[0]))
    tokens = outcome.tokens()
    return json_reply(
        {
            "object": "list",
            "data": [_embedding(index, vector, sent) for index, vector in enumerate(vectors)],
            "model": predictor.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _models(call: Call) -> Reply:
    return json_reply({"object": "list", "data": [_model(call.exchange.pod.predictor)]})


def _one_model(call: Call) -> Reply:
    predictor = call.exchange.pod.predictor
    _require(predictor, call.parts["name"])
    return json_reply(_model(predictor))


def _require(predictor: Predictor, model: str) -> None:
    if model not in (predictor.name, f"{predictor.name}:{predictor.version}"):
        raise UnknownModel(model, None, known=predictor.name)


def _require_width(dimensions: int | None, width: int) -> None:
    if dimensions not in (None, width):
        said = f"is {dimensions}; {width} needed, which is what the model has: send that or leave it out"
        raise InvalidFields({"dimensions": said})


def _embedding(index: int, vector: Array, sent: EmbeddingsRequest) -> dict[str, object]:
    little = vector.astype("<f4")
    content: Any = vector if sent.encoding_format == "float" else b64encode(little.tobytes()).decode()
    return {"object": "embedding", "index": index, "embedding": content}


def _model(predictor: Predictor) -> dict[str, object]:
    return {"id": predictor.name, "object": "model", "created": 0, "owned_by": "bertmesh"}


OPERATIONS: Final = (
    asked(
        "/v1/embeddings",
        _create,
        OPENAI,
        "Turn texts into unit vectors",
        request=EmbeddingsRequest,
        example={"input": "今天天气很好。", "model": "zh-small"},
        answer=documents.Embeddings,
    ),
    get("/v1/models", _models, OPENAI, "The models that are served", documents.OpenAiModels, READY),
    get("/v1/models/{name}", _one_model, OPENAI, "One model", documents.OpenAiModel, MODEL),
)

"""What answers look like, for the OpenAPI description. Tests hold the answers to it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from service.tasks.endpoint import Endpoint

Count = Annotated[int, Field(ge=1)]


class Document(BaseModel):
    """Base of the answers: nothing is in them that is not said here."""

    model_config = ConfigDict(extra="forbid")


class Served(Document):
    """The model that answered."""

    name: str
    version: str


class Prediction(Document):
    """What every answer of a task has around its result."""

    windows: Count | list[Count] = Field(
        description="Into how many overlapping windows a text was cut to fit the model; 1 if it fits."
    )
    model: Served
    prediction_id: str = Field(description="Names this answer, for feedback.")
    timestamp: str = Field(description="When it was given, UTC.")


def answer_to(endpoint: Endpoint) -> type[Prediction]:
    """Return what a task answers: one result for one text, or a list."""
    kind = endpoint.task.answer
    form: Any = kind.form or kind
    name, result = f"{endpoint.task.__name__}Answer", form | list[form]
    return create_model(name, __base__=Prediction, __doc__=kind.__doc__, result=result)


class ProblemDocument(BaseModel):
    """A failure (RFC 9457). ``type`` stays the same for good; see docs/errors.md."""

    type: str = Field(pattern="^urn:bertmesh:problem:[a-z-]+$")
    title: str
    status: int
    detail: str = Field(description="What was seen, what was needed, and what to do.")
    instance: str | None = Field(None, description="The path, unless it is very long.")
    request_id: str
    errors: list[dict[str, str]] | None = Field(None, description="The fields at fault, one by one.")
    index: int | None = Field(None, description="Which of several texts is at fault, from 0.")
    error: Any = Field(None, description="The same as the other protocols' clients look for it.")


class Alive(Document):
    """A probe that succeeded."""

    status: str
    state: str


class Ready(Document):
    """The pod takes requests."""

    status: str
    version: str


class Live(Document):
    """The process serves."""

    live: bool


class ServerReady(Document):
    """New requests are welcome."""

    ready: bool


class ModelReady(Document):
    """The model answers here."""

    name: str
    ready: bool


class ServerMetadata(Document):
    """Who serves."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(Document):
    """A tensor; -1 stands for any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Document):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class OutputTensor(Document):
    """An output tensor, flat in row-major order."""

    name: str
    shape: list[int]
    datatype: Literal["FP32", "INT64", "BYTES"]
    data: list[float] | list[int] | list[str]


class InferAnswer(Document):
    """The output tensors."""

    id: str | None = None
    model_name: str
    model_version: str
    parameters: dict[str, str]
    outputs: list[OutputTensor]


class Embedding(Document):
    """One vector, of length 1."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(Document):
    """How many tokens were read."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(Document):
    """The vectors, in the order of the texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class OpenAiModel(Document):
    """The model, as OpenAI lists it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAiModels(Document):
    """The models that are served."""

    object: Literal["list"]
    data: list[OpenAiModel]


class Anything(BaseModel):
    """An object for people to read."""

"""The Open Inference Protocol, version 2, over REST.

https://github.com/kserve/open-inference-protocol
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Annotated, Final

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from service.api import documents, tensors
from service.api.operation import MODEL, OIP, READY, Operation, asked, get
from service.api.tensors import Input
from service.errors import UnknownModel, WrongContentType
from service.http.middleware import require_ready
from service.http.router import Call, Handler, Reply, json_reply
from service.pod.exchange import Exchange
from service.pod.predict import Predictor
from service.tasks.request import Parameters, Strict, document, few, validated
from service.tasks.tensors import Output, Tensor

BINARY = "Inference-Header-Content-Length"
EXTENSIONS: tuple[str, ...] = ()


def _form_of(data: object) -> str:
    return "rows" if isinstance(data, list) and data and isinstance(data[0], list) else "flat"


_STRINGS: Final = {"type": "array", "items": {"type": "string"}}
# Of a list of a hundred thousand wrong elements the first is told of.
Strings = Annotated[list[str], Field(fail_fast=True)]
Data = Annotated[
    Annotated[Strings, Tag("flat")] | Annotated[list[Strings], Field(fail_fast=True), Tag("rows")],
    Discriminator(_form_of),
    WithJsonSchema({"anyOf": [_STRINGS, {"type": "array", "items": _STRINGS}]}),
]


class InputTensor(Strict):
    """Texts, flat or one to a row."""

    name: str = Field(description="text, or what else of the task's request holds texts.", examples=["text"])
    shape: Annotated[list[int], Field(fail_fast=True)] = Field(description="[n] or [n, 1].", examples=[[1]])
    datatype: str = Field(description="BYTES.", examples=["BYTES"])
    data: Data = Field(description="The texts.", examples=[["今天天气很好。"]])
    parameters: Parameters | None = Field(None, description="Taken and not used.")


class RequestedOutput(Strict):
    """An output that is wanted."""

    name: str = Field(description="An output of the task.", examples=["features"])
    parameters: Parameters | None = Field(None, description="Taken and not used.")


class InferRequest(Strict):
    """What to compute."""

    id: str | None = Field(None, description="Comes back in the answer.")
    parameters: Parameters | None = Field(
        None,
        description=f"task (default {tensors.DEFAULT}) and what it takes beside its texts.",
    )
    inputs: Annotated[list[Annotated[InputTensor, BeforeValidator(few)]], Field(fail_fast=True)] = Field(
        description="text, and the other inputs that the task takes."
    )
    outputs: (
        Annotated[list[Annotated[RequestedOutput, BeforeValidator(few)]], Field(fail_fast=True)] | None
    ) = Field(None, description="All outputs of the task by default.")


def server_metadata() -> dict[str, object]:
    """Return what /v2 answers."""
    try:
        version = installed("bertmesh")
    except PackageNotFoundError:  # run from a folder that was not installed
        version = "0"
    return {"name": "bertmesh", "version": version, "extensions": list(EXTENSIONS)}


def model_metadata(predictor: Predictor) -> dict[str, object]:
    """Return the tensors of a model."""
    inputs = [Tensor(name, "BYTES", (-1,)) for name in tensors.input_names()]
    return {
        "name": predictor.name,
        "versions": [predictor.version],
        "platform": predictor.platform,
        "inputs": [asdict(each) for each in inputs],
        "outputs": [asdict(each) for each in tensors.output_tensors()],
    }


def require(predictor: Predictor, name: str, version: str | None) -> None:
    """Raise UnknownModel if a model or version is named that does not answer here."""
    if name != predictor.name or version not in (None, "", predictor.version):
        raise UnknownModel(name, version, known=f"{predictor.name} in version {predictor.version}")


def infer(
    exchange: Exchange,
    predictor: Predictor,
    inputs: Sequence[Input],
    parameters: Mapping[str, object],
    outputs: Sequence[str] | None,
) -> list[Output]:
    """Answer tensors with tensors, before the request's deadline.

    Raises:
        InvalidFields: Tensors or parameters are not as needed.
        ServiceError: See `Exchange.ask`.
    """
    read = tensors.read(inputs, parameters, outputs)
    exchange.task = read.task.name
    return tensors.write(read, exchange.ask(predictor, read.task, read.queries))


def _ready(call: Call) -> Reply:
    require_ready(call.exchange.pod)
    return json_reply({"ready": True})


def _on_model(action: Callable[[Call, Predictor], Reply]) -> Handler:
    def handle(call: Call) -> Reply:
        predictor = call.exchange.pod.predictor
        require(predictor, call.parts["name"], call.parts.get("version"))
        return action(call, predictor)

    return handle


def _model_ready(call: Call, predictor: Predictor) -> Reply:
    require_ready(call.exchange.pod)
    return json_reply({"name": predictor.name, "ready": True})


def _infer(call: Call, predictor: Predictor) -> Reply:
    exchange = call.exchange
    exchange.begin("infer")
    _require_plain_tensors(call)
    sent = validated(InferRequest, document(call.body()))
    inputs = [
        Input(tensor.name, tensor.datatype, tuple(tensor.shape), _flat(tensor.data)) for tensor in sent.inputs
    ]
    wanted = [output.name for output in sent.outputs or ()]
    outputs = infer(exchange, predictor, inputs, sent.parameters or {}, wanted or None)
    answer: dict[str, object] = {
        "model_name": predictor.name,
        "model_version": predictor.version,
        "outputs": outputs,
        "parameters": {"prediction_id": exchange.prediction_id},
    }
    return json_reply(answer if sent.id is None else answer | {"id": sent.id})


def _require_plain_tensors(call: Call) -> None:
    if call.header(BINARY) is not None:
        raise WrongContentType(
            seen=f"tensors in binary ({BINARY})",
            needed="tensors as JSON: the binary extension is not offered",
            do="send data in the JSON (binary_data=False in Triton's client), or use gRPC",
        )


def _flat(data: list[str] | list[list[str]]) -> list[str]:
    return [text for row in data for text in ([row] if isinstance(row, str) else row)]


_TENSORS: Final = {
    "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["今天天气很好。"]}]
}


def _of_models(start: str, which: str) -> tuple[Operation, ...]:
    return (
        get(
            start,
            _on_model(lambda _call, predictor: json_reply(model_metadata(predictor))),
            OIP,
            f"The tensors{which}",
            documents.ModelMetadata,
            MODEL,
        ),
        get(
            f"{start}/ready",
            _on_model(_model_ready),
            OIP,
            f"The readiness{which}",
            documents.ModelReady,
            MODEL,
        ),
        asked(
            f"{start}/infer",
            _on_model(_infer),
            OIP,
            f"Infer with tensors{which}",
            request=InferRequest,
            example=_TENSORS,
            answer=documents.InferAnswer,
        ),
    )


OPERATIONS: Final = (
    get("/v2", lambda _call: json_reply(server_metadata()), OIP, "Who serves", documents.ServerMetadata),
    get(
        "/v2/health/live",
        lambda _call: json_reply({"live": True}),
        OIP,
        "Whether the process serves",
        documents.Live,
    ),
    get("/v2/health/ready", _ready, OIP, "Whether requests are welcome", documents.ServerReady, READY),
    *_of_models("/v2/models/{name}", ""),
    *_of_models("/v2/models/{name}/versions/{version}", " of a version"),
)

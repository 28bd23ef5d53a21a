"""The Open Inference Protocol, version 2, over REST.

https://github.com/kserve/open-inference-protocol
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Annotated, Final

from flask import Blueprint, Response, request
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from service.api import tensors
from service.api.tensors import Asked, Input
from service.errors import UnknownModel, WrongContentType
from service.http.body import json_body, json_response
from service.http.middleware import current, require_ready
from service.pod.assembly import Pod
from service.pod.exchange import Exchange
from service.pod.predict import Predictor
from service.tasks.request import document, few, validated
from service.tasks.tensors import Output, Tensor

BINARY = "Inference-Header-Content-Length"
EXTENSIONS: tuple[str, ...] = ()
Scalar = bool | int | float | str


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _form_of(data: object) -> str:
    return "rows" if isinstance(data, list) and data and isinstance(data[0], list) else "flat"


_STRINGS: Final = {"type": "array", "items": {"type": "string"}}
Parameters = Annotated[dict[str, Scalar], BeforeValidator(few)]
# Of a list of a hundred thousand wrong elements the first is told of.
Strings = Annotated[list[str], Field(fail_fast=True)]
Data = Annotated[
    Annotated[Strings, Tag("flat")] | Annotated[list[Strings], Field(fail_fast=True), Tag("rows")],
    Discriminator(_form_of),
    WithJsonSchema({"anyOf": [_STRINGS, {"type": "array", "items": _STRINGS}]}),
]


class InputTensor(_Strict):
    """Texts, flat or one to a row."""

    name: str = Field(description="text, text_pair or targets.", examples=["text"])
    shape: Annotated[list[int], Field(fail_fast=True)] = Field(description="[n] or [n, 1].", examples=[[1]])
    datatype: str = Field(description="BYTES.", examples=["BYTES"])
    data: Data = Field(description="The texts.", examples=[["今天天气很好。"]])
    parameters: Parameters | None = Field(None, description="Taken and not used.")


class RequestedOutput(_Strict):
    """An output that is wanted."""

    name: str = Field(description="An output of the task.", examples=["features"])
    parameters: Parameters | None = Field(None, description="Taken and not used.")


class InferRequest(_Strict):
    """What to compute."""

    id: str | None = Field(None, description="Comes back in the answer.")
    parameters: Parameters | None = Field(
        None,
        description="task (default feature-extraction) and what it takes: top_k, pooling, normalize.",
    )
    inputs: Annotated[list[Annotated[InputTensor, BeforeValidator(few)]], Field(fail_fast=True)] = Field(
        description="text, and text_pair or targets where the task takes it."
    )
    outputs: (
        Annotated[list[Annotated[RequestedOutput, BeforeValidator(few)]], Field(fail_fast=True)] | None
    ) = Field(None, description="All outputs of the task by default.")


def oip(pod: Pod) -> Blueprint:
    """Return the endpoints."""
    blueprint = Blueprint("oip", __name__)
    _add_server(blueprint, pod)
    _add_models(blueprint)
    return blueprint


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


def _add_server(blueprint: Blueprint, pod: Pod) -> None:
    blueprint.add_url_rule("/v2", "server", lambda: json_response(server_metadata()))
    blueprint.add_url_rule("/v2/health/live", "live", lambda: json_response({"live": True}))

    @blueprint.get("/v2/health/ready")
    def ready() -> Response:
        require_ready(pod)
        return json_response({"ready": True})


def _add_models(blueprint: Blueprint) -> None:
    actions: Mapping[str, tuple[str, Callable[[Exchange, Predictor], Response]]] = {
        "": ("GET", lambda _, predictor: json_response(model_metadata(predictor))),
        "/ready": ("GET", _model_ready),
        "/infer": ("POST", _infer),
    }
    for end, (method, action) in actions.items():
        for start in ("/v2/models/<name>", "/v2/models/<name>/versions/<version>"):
            blueprint.add_url_rule(
                start + end, start + end.replace("/", "-"), _on_model(action), methods=[method]
            )


def _on_model(action: Callable[[Exchange, Predictor], Response]) -> Callable[..., Response]:
    def endpoint(name: str, version: str | None = None) -> Response:
        exchange = current()
        predictor = exchange.pod.predictor
        require(predictor, name, version)
        return action(exchange, predictor)

    return endpoint


def _model_ready(exchange: Exchange, predictor: Predictor) -> Response:
    require_ready(exchange.pod)
    return json_response({"name": predictor.name, "ready": True})


def _infer(exchange: Exchange, predictor: Predictor) -> Response:
    exchange.begin("infer")
    _require_plain_tensors()
    sent = validated(InferRequest, document(json_body(request.environ)))
    asked = _asked(sent)
    outcome = exchange.ask(predictor, asked.task, asked.queries)
    answer: dict[str, object] = {
        "model_name": predictor.name,
        "model_version": predictor.version,
        "outputs": [_output(output) for output in tensors.write(asked, outcome)],
        "parameters": {"prediction_id": exchange.prediction_id},
    }
    return json_response(answer if sent.id is None else answer | {"id": sent.id})


def _require_plain_tensors() -> None:
    if BINARY in request.headers:
        raise WrongContentType(
            seen=f"tensors in binary ({BINARY})",
            needed="tensors as JSON: the binary extension is not offered",
            do="send data in the JSON (binary_data=False in Triton's client), or use gRPC",
        )


def _asked(sent: InferRequest) -> Asked:
    inputs = [
        Input(tensor.name, tensor.datatype, tuple(tensor.shape), _flat(tensor.data)) for tensor in sent.inputs
    ]
    outputs = None if sent.outputs is None else [output.name for output in sent.outputs]
    return tensors.read(inputs, sent.parameters or {}, outputs or None)


def _flat(data: list[str] | list[list[str]]) -> list[str]:
    return [text for row in data for text in ([row] if isinstance(row, str) else row)]


def _output(output: Output) -> dict[str, object]:
    return {
        "name": output.name,
        "shape": output.shape,
        "datatype": output.datatype,
        "data": output.data,
    }

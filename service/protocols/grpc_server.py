"""The Open Inference Protocol, version 2, over gRPC: the same batcher, errors and metrics as over HTTP.

An answer carries the headers of an HTTP answer as trailing metadata; a failure also its problem's type.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind

from service.deadline import MAX_MS
from service.errors import ServiceError, SettingsError
from service.exchange import Exchange
from service.pod import Pod, State
from service.problems import TYPE_PREFIX
from service.protocols import tensors
from service.protocols.grpc_standard import add_standard_services
from service.protocols.messages import SERVICE, add_outputs, inputs, message, methods, values
from service.protocols.oip import model_metadata, require, server_metadata
from service.schema import MAX_BODY_BYTES
from service.settings import GRPC_BIND
from service.shadow_traces import subdued

Call = Callable[[Exchange, Any], Any]
PROBLEM_METADATA = "bertmesh-problem"

CODES: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    503: grpc.StatusCode.UNAVAILABLE,
    507: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""gRPC's status for the HTTP status of an error; UNKNOWN for any other."""

log = logging.getLogger(__name__)


def serve(pod: Pod, bind: str) -> grpc.Server:
    """Start a server on ``bind``; stop it with ``stop(grace_s).wait()``.

    Raises:
        SettingsError: The address cannot be had.
    """
    # As many as gunicorn has, so that a full queue answers instead of silence.
    threads = pod.settings.limits.queue_items + 64
    server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
        options=[("grpc.max_receive_message_length", MAX_BODY_BYTES), ("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=threads,
    )
    calls = Calls(pod)
    # The rest, which changes models, is the admin port's: here it is unimplemented.
    offered = [method for method in methods() if hasattr(calls, method.name)]
    handlers = {method.name: _handler(pod, method, getattr(calls, method.name)) for method in offered}
    add_standard_services(server, pod)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    try:
        server.add_insecure_port(bind)
    except RuntimeError as error:
        raise SettingsError(
            GRPC_BIND,
            seen=bind,
            needed="a free address of this machine",
            do=f"change it ({error})",
        ) from error
    server.start()
    return server


class Calls:
    """What the service's methods do; each takes its exchange and its request, and returns its response."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod

    def ServerLive(self, _exchange: Exchange, _request: Any) -> Any:  # noqa: ANN401, N802 - the protocol's
        """Tell that the process serves at all."""
        return message("ServerLiveResponse")(live=True)

    def ServerReady(self, _exchange: Exchange, _request: Any) -> Any:  # noqa: ANN401, N802 - the protocol's
        """Tell whether new requests are welcome."""
        return message("ServerReadyResponse")(ready=self._pod.state is State.READY)

    def ModelReady(self, _exchange: Exchange, request: Any) -> Any:  # noqa: ANN401, N802 - the protocol's
        """Tell whether this model and version answers here."""
        ready = self._pod.state is State.READY and self._is_served(request.name, request.version)
        return message("ModelReadyResponse")(ready=ready)

    def ServerMetadata(self, _exchange: Exchange, _request: Any) -> Any:  # noqa: ANN401, N802 - the protocol's
        """Tell who serves."""
        return message("ServerMetadataResponse")(**server_metadata())

    def ModelMetadata(self, _exchange: Exchange, request: Any) -> Any:  # noqa: ANN401, N802 - the protocol's
        """Tell the tensors of a model."""
        predictor = self._pod.predictor
        require(predictor, request.name, request.version)
        return message("ModelMetadataResponse")(**model_metadata(predictor))

    def ModelInfer(self, exchange: Exchange, request: Any) -> Any:  # noqa: ANN401, N802 - the protocol's
        """Answer as POST /v2/models/{name}/infer does."""
        predictor = exchange.begin("infer")
        require(predictor, request.model_name, request.model_version)
        wanted = [output.name for output in request.outputs]
        asked = tensors.read(inputs(request), values(request.parameters), wanted or None)
        outcome = exchange.ask(predictor, asked.task, asked.queries)
        response = message("ModelInferResponse")(
            model_name=predictor.name, model_version=predictor.version, id=request.id
        )
        response.parameters["prediction_id"].string_param = exchange.prediction_id or ""
        add_outputs(response, tensors.write(asked, outcome), raw=bool(request.raw_input_contents))
        return response

    def _is_served(self, name: str, version: str) -> bool:
        predictor = self._pod.predictor
        return name == predictor.name and version in ("", predictor.version)


def _handler(pod: Pod, method: MethodDescriptor, call: Call) -> "grpc.RpcMethodHandler[Any, Any]":
    def handle(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - messages
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        with pod.pinned(), pod.metrics.in_flight.track_inprogress():
            exchange = Exchange.arriving(pod, headers, method="POST", path=f"/{SERVICE}/{method.name}")
            exchange.timeout = _nearer(exchange.timeout, context.time_remaining())
            with _span(pod, exchange, headers):
                response, failure = _answered(call, exchange, request)
                trailer = exchange.headers() | (_problem(failure) if failure else {})
                context.set_trailing_metadata(tuple(trailer.items()))
                exchange.record(failure.status if failure else HTTPStatus.OK)
        if failure:
            context.abort(CODES.get(failure.status, grpc.StatusCode.UNKNOWN), str(failure))
        return response

    return grpc.unary_unary_rpc_method_handler(
        handle,
        request_deserializer=message(method.input_type.name).FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )


def _answered(call: Call, exchange: Exchange, request: Any) -> tuple[Any, ServiceError | None]:  # noqa: ANN401 - messages
    try:
        return call(exchange, request), None
    except ServiceError as error:
        failure = error
    except Exception:
        log.exception("unexpected failure")
        failure = ServiceError("the pod failed unexpectedly; its log has the cause under this request id")
    exchange.problem = failure.slug
    return None, failure


def _problem(failure: ServiceError) -> dict[str, str]:
    lower = {name.lower(): value for name, value in failure.headers.items()}
    return {PROBLEM_METADATA: TYPE_PREFIX + failure.slug, **lower}


def _nearer(header: str | None, remaining_s: float | None) -> str | None:
    """Return the nearer of a client's two deadlines, as the header says it."""
    if remaining_s is None or remaining_s * 1000 > MAX_MS:
        return header
    left = max(1, int(remaining_s * 1000))
    return str(min(left, int(header))) if header and header.isdecimal() else header or str(left)


def _span(pod: Pod, exchange: Exchange, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - a context manager
    attributes: dict[str, str | bool] = {
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": exchange.path.rpartition("/")[2],
        "bertmesh.model.version": pod.version,
        "bertmesh.mirrored": exchange.mirrored,
    }
    context = extract(headers)
    return pod.tracer.start_as_current_span(
        exchange.path.removeprefix("/"),
        context=subdued(context) if exchange.mirrored else context,
        kind=SpanKind.SERVER,
        attributes=attributes,
    )

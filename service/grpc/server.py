"""The Open Inference Protocol, version 2, over gRPC: the same batcher, errors and metrics as over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import grpc

from service.api.oip import infer, model_metadata, require, server_metadata
from service.errors import SettingsError
from service.grpc.calls import Unknown, handler
from service.grpc.messages import SERVICE, add_outputs, inputs, message, methods, values
from service.grpc.standard import Health, add_standard_services
from service.pod.assembly import Pod, State
from service.pod.exchange import Exchange
from service.pod.settings import GRPC_BIND

_RECEIVED_BYTES = 4 << 20
"""What gRPC itself lets through, which is its default; what is above a body's limit gets a clear answer."""


class Server:
    """A server that runs."""

    def __init__(self, server: grpc.Server, health: Health, patience_s: float) -> None:
        self._server = server
        self._health = health
        self._patience_s = patience_s

    def stop(self) -> Event:
        """Begin to end: take no more calls, end streams, finish the others; return what is set at the end."""
        self._health.end()
        ended: Event = self._server.stop(self._patience_s)
        return ended


def serve(pod: Pod, bind: str) -> Server:
    """Start a server on ``bind``; end it with ``stop().wait()``.

    Raises:
        SettingsError: The address cannot be had.
    """
    # As many as gunicorn has, so that a full queue answers instead of silence.
    threads = pod.settings.limits.queue_items + 64
    server = grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
        options=[("grpc.max_receive_message_length", _RECEIVED_BYTES), ("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=threads,
    )
    calls = Calls(pod)
    # The rest, which changes models, is the admin port's: here it is unimplemented.
    offered = [method for method in methods() if hasattr(calls, method.name)]
    handlers = {method.name: handler(pod, method, getattr(calls, method.name)) for method in offered}
    health = add_standard_services(server, pod)
    # Asked in this order.
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers), Unknown(pod)])
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
    # A request is over by its deadline; longer than that only a stream is held open, by a client's choice.
    return Server(server, health, pod.settings.deadline_s + 1)


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
        outputs = infer(exchange, predictor, inputs(request), values(request.parameters), wanted or None)
        response = message("ModelInferResponse")(
            model_name=predictor.name, model_version=predictor.version, id=request.id
        )
        response.parameters["prediction_id"].string_param = exchange.prediction_id or ""
        add_outputs(response, outputs, raw=bool(request.raw_input_contents))
        return response

    def _is_served(self, name: str, version: str) -> bool:
        predictor = self._pod.predictor
        return name == predictor.name and version in ("", predictor.version)

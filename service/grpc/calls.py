"""How a gRPC call is carried to what answers it, and its answer or failure back.

An answer has the headers of an HTTP answer as trailing metadata; a failure also its problem's type.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError
from opentelemetry.trace import Span

from service.api.problem_types import GRPC, GRPC_BY_TYPE
from service.batching.deadline import MAX_MS, milliseconds
from service.errors import InvalidHeader, ServiceError, UnreadableMessage
from service.grpc.errors import MessageTooLarge, NoSuchMethod
from service.grpc.messages import SERVICE, message
from service.http.limits import MAX_BODY_BYTES
from service.http.problems import TYPE_PREFIX
from service.pod.assembly import Pod
from service.pod.exchange import Exchange

Call = Callable[[Exchange, Any], Any]
PROBLEM_METADATA = "bertmesh-problem"

CODES = {status: grpc.StatusCode[name] for status, name in GRPC.items()}
"""gRPC's status for the HTTP status of an error; UNKNOWN for any other."""
CODES_BY_TYPE = {slug: grpc.StatusCode[name] for slug, name in GRPC_BY_TYPE.items()}
"""Where gRPC has a code of its own for a type of problem."""

_DETAIL_BYTES = 1000
"""A sentence travels as a header, at up to three bytes for each of its own; clients take 8 KiB of headers,
and report more than that as RESOURCE_EXHAUSTED."""

log = logging.getLogger(__name__)


def handler(pod: Pod, method: MethodDescriptor, call: Call) -> "grpc.RpcMethodHandler[Any, Any]":
    """Return what answers a method by ``call``."""
    kind, path = message(method.input_type.name), f"/{SERVICE}/{method.name}"

    def handle(content: bytes, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - messages
        return _carried(pod, path, context, lambda exchange: call(exchange, _read(kind, content)))

    # Messages are read above: what gRPC cannot read it takes for a failure of the server.
    return grpc.unary_unary_rpc_method_handler(
        handle, response_serializer=lambda response: response.SerializeToString()
    )


class Unknown(grpc.GenericRpcHandler):
    """Refuses what nobody else answers, with a problem's type like every failure."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod

    def service(self, handler_call_details: Any) -> "grpc.RpcMethodHandler[Any, Any]":  # noqa: ANN401 - gRPC's
        """Return what refuses a call, whatever it would send."""

        def handle(_messages: object, context: grpc.ServicerContext) -> Any:  # noqa: ANN401 - never returns
            return _carried(self._pod, handler_call_details.method, context, _refuse)

        return grpc.stream_unary_rpc_method_handler(handle)


def _refuse(exchange: Exchange) -> None:
    raise NoSuchMethod(exchange.path)


def _carried(pod: Pod, path: str, context: grpc.ServicerContext, answer: Callable[[Exchange], Any]) -> Any:  # noqa: ANN401 - messages
    headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
    with pod.pinned(), pod.metrics.in_flight.track_inprogress():
        exchange = Exchange.arriving(pod, headers, method="POST", path=path)
        exchange.timeout = _nearer(exchange.timeout, context.time_remaining())
        with _span(exchange, headers):
            response, failure = _answered(answer, exchange)
            trailer = exchange.headers() | (_problem(failure) if failure else {})
            context.set_trailing_metadata(tuple(trailer.items()))
            exchange.record(failure.status if failure else HTTPStatus.OK)
    if failure:
        code = CODES_BY_TYPE.get(failure.slug) or CODES.get(failure.status, grpc.StatusCode.UNKNOWN)
        context.abort(code, _short(str(failure)))
    return response


def _answered(answer: Callable[[Exchange], Any], exchange: Exchange) -> tuple[Any, ServiceError | None]:
    try:
        return answer(exchange), None
    except ServiceError as error:
        failure = error
    except Exception:
        log.exception("unexpected failure")
        failure = ServiceError()
    exchange.problem = failure.slug
    return None, failure


def _read(kind: Any, content: bytes) -> Any:  # noqa: ANN401 - a message's class, and a message
    if len(content) > MAX_BODY_BYTES:
        raise MessageTooLarge(len(content))
    try:
        return kind.FromString(content)
    except DecodeError as error:
        raise UnreadableMessage(
            seen=f"{len(content):,} bytes that are no {kind.DESCRIPTOR.full_name}",
            needed="its encoding by protobuf, with all strings in UTF-8",
            do="make the client from service/grpc/inference.proto, or ask for it by reflection",
        ) from error


def _problem(failure: ServiceError) -> dict[str, str]:
    lower = {name.lower(): value for name, value in failure.headers.items()}
    return {PROBLEM_METADATA: TYPE_PREFIX + failure.slug, **lower}


def _short(sentence: str) -> str:
    """Leave out the middle of a long sentence: what was seen is at its beginning, what to do at its end."""
    content = sentence.encode(errors="replace")
    if len(content) <= _DETAIL_BYTES:
        return sentence
    half = _DETAIL_BYTES // 2
    return f"{content[:half].decode(errors='ignore')} [...] {content[-half:].decode(errors='ignore')}"


def _nearer(header: str | None, remaining_s: float | None) -> str | None:
    """Return the nearer of a client's two deadlines, as the header says it; a wrong header as it is."""
    if remaining_s is None or remaining_s * 1000 > MAX_MS:
        return header
    left = max(1, int(remaining_s * 1000))
    try:
        return str(left if header is None else min(left, milliseconds(header)))
    except InvalidHeader:
        return header


def _span(exchange: Exchange, headers: Mapping[str, str]) -> AbstractContextManager[Span]:
    service, _, method = exchange.path.removeprefix("/").rpartition("/")
    name = f"{service}/{method}" if service == SERVICE else "unknown method"
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
    return exchange.span(name, headers, attributes)

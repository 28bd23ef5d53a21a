"""The gRPC port, over real connections."""

import signal
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from flask.testing import FlaskClient
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from bertmesh.local.ports import free_port
from service.errors import SettingsError
from service.grpc.calls import CODES
from service.grpc.messages import SERVICE, message, methods
from service.grpc.server import serve
from service.grpc.standard import HEALTH
from service.pod.assembly import Pod, build
from service.pod.faults import Fault
from tests.service.api.test_app import FILL, json_of, post
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import running_pod
from tests.service.tiny import WIDTH
from tests.support.processes import wait_until


class Client:
    """Calls the service's methods by name."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self._types = {method.name: method for method in methods()}

    def call(self, name: str, request: Any = None, **options: Any) -> tuple[Any, dict[str, str]]:  # noqa: ANN401 - messages
        """Return the response and the trailing metadata."""
        method = self._types[name]
        stub: Any = self.channel.unary_unary(
            f"/{SERVICE}/{name}",
            request_serializer=lambda sent: sent.SerializeToString(),
            response_deserializer=message(method.output_type.name).FromString,
        )
        response, call = stub.with_call(
            request or message(method.input_type.name)(), **({"timeout": 30} | options)
        )
        return response, {key: str(value) for key, value in call.trailing_metadata()}

    def infer(self, *texts: str, parameters: dict[str, Any] | None = None, **fields: Any) -> Any:  # noqa: ANN401 - messages
        request = infer_request(*texts, parameters=parameters, **fields)
        return self.call("ModelInfer", request)[0]


def infer_request(*texts: str, parameters: dict[str, Any] | None = None, **fields: Any) -> Any:  # noqa: ANN401 - messages
    request = message("ModelInferRequest")(**({"model_name": "tiny"} | fields))
    request.inputs.add(name="text", datatype="BYTES", shape=[len(texts)])
    request.inputs[0].contents.bytes_contents.extend(text.encode() for text in texts)
    for name, value in (parameters or {}).items():
        kind = {bool: "bool_param", int: "int64_param", str: "string_param"}[type(value)]
        setattr(request.parameters[name], kind, value)
    return request


@pytest.fixture
def grpc_client(pod: Pod) -> Iterator[Client]:
    with serving(pod) as client:
        yield client


class serving:  # noqa: N801 - used as a function
    """A server around a pod and a client of it."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod

    def __enter__(self) -> Client:
        port = free_port()
        self._server = serve(self._pod, f"127.0.0.1:{port}")
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        return Client(self._channel)

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._server.stop().wait()


def test_the_server_and_its_model_introduce_themselves(grpc_client: Client, pod: Pod) -> None:
    assert grpc_client.call("ServerLive")[0].live
    assert grpc_client.call("ServerReady")[0].ready
    assert grpc_client.call("ServerMetadata")[0].name == "bertmesh"
    known = message("ModelReadyRequest")(name="tiny", version=pod.version)
    assert grpc_client.call("ModelReady", known)[0].ready
    assert not grpc_client.call("ModelReady", message("ModelReadyRequest")(name="other"))[0].ready
    metadata = grpc_client.call("ModelMetadata", message("ModelMetadataRequest")(name="tiny"))[0]
    assert list(metadata.versions) == [pod.version]
    assert "features" in [output.name for output in metadata.outputs]


def test_features_are_those_of_the_http_endpoint(grpc_client: Client, client: FlaskClient) -> None:
    parameters = {"pooling": "mean", "normalize": True}
    response = grpc_client.infer("好", "天气很好", parameters=parameters, id="7")
    own = json_of(post(client, "/feature-extraction", {"text": ["好", "天气很好"], **parameters}))["result"]
    features = response.outputs[0]
    assert list(features.shape) == [2, WIDTH]
    assert list(features.contents.fp32_contents) == pytest.approx([*own[0], *own[1]], abs=1e-4)
    assert response.id == "7"
    assert response.model_name == "tiny"


def test_masks_are_filled_with_tokens_as_bytes(grpc_client: Client, client: FlaskClient) -> None:
    response = grpc_client.infer(FILL["text"], parameters={"task": "fill-mask", "top_k": 3})
    own = json_of(post(client, "/fill-mask", FILL | {"top_k": 3}))["result"]
    outputs = {output.name: output.contents for output in response.outputs}
    assert [token.decode() for token in outputs["tokens"].bytes_contents] == [each["token"] for each in own]
    assert list(outputs["masks"].int64_contents) == [0, 6]


def test_raw_tensors_are_answered_raw(grpc_client: Client) -> None:
    request = infer_request("好")
    plain = grpc_client.call("ModelInfer", request)[0]
    del request.inputs[0].contents.bytes_contents[:]
    text = "好".encode()
    request.raw_input_contents.append(struct.pack("<I", len(text)) + text)
    raw = grpc_client.call("ModelInfer", request)[0]
    numbers = struct.unpack(f"<{WIDTH}f", raw.raw_output_contents[0])
    assert numbers == pytest.approx(tuple(plain.outputs[0].contents.fp32_contents), abs=1e-4)


def failure(client: Client, request: Any, **options: Any) -> tuple[grpc.StatusCode, str, dict[str, str]]:  # noqa: ANN401 - messages
    with pytest.raises(grpc.RpcError) as caught:
        client.call("ModelInfer", request, **options)
    error: Any = caught.value
    return error.code(), error.details(), dict(error.trailing_metadata())


def broken(**changes: Any) -> Any:  # noqa: ANN401 - messages
    """Return a request with raw contents as given."""
    request = infer_request("好")
    request.raw_input_contents.extend(changes["raw"])
    return request


@pytest.mark.parametrize(
    ("request_made", "code", "slug"),
    [
        (infer_request("好", model_name="other"), grpc.StatusCode.NOT_FOUND, "unknown-model"),
        (infer_request("好", model_version="9"), grpc.StatusCode.NOT_FOUND, "unknown-model"),
        (infer_request(), grpc.StatusCode.INVALID_ARGUMENT, "invalid-fields"),
        (infer_request("好", parameters={"task": "fill-mask"}), grpc.StatusCode.INVALID_ARGUMENT, "no-mask"),
        (broken(raw=[b"\x05\x00\x00\x00a"]), grpc.StatusCode.INVALID_ARGUMENT, "invalid-fields"),
        (broken(raw=[b"\x01\x00\x00\x00\xff"]), grpc.StatusCode.INVALID_ARGUMENT, "invalid-fields"),
        (broken(raw=[b"", b""]), grpc.StatusCode.INVALID_ARGUMENT, "invalid-fields"),
    ],
)
def test_a_failure_has_a_code_a_sentence_and_the_problems_type(
    grpc_client: Client,
    request_made: Any,  # noqa: ANN401 - a message
    code: grpc.StatusCode,
    slug: str,
) -> None:
    seen, said, metadata = failure(grpc_client, request_made)
    assert seen is code
    assert "needed" in said
    assert metadata["bertmesh-problem"] == f"urn:bertmesh:problem:{slug}"
    assert metadata["x-request-id"]


def test_answers_carry_the_headers_of_http_as_metadata(grpc_client: Client, pod: Pod) -> None:
    sent = (("x-request-id", "abc-1"), ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"))
    metadata = grpc_client.call("ModelInfer", infer_request("好"), metadata=sent)[1]
    assert metadata["x-request-id"] == "abc-1"
    assert metadata["x-model-version"] == pod.version
    assert metadata["x-bertmesh-cache"] == "off"
    assert metadata["traceparent"].split("-")[1] == "a" * 32


def test_a_deadline_of_either_kind_drops_the_request(tiny: Tiny) -> None:
    pod = build(tiny.settings(fault=Fault(latency_s=0.2)))
    pod.load()
    with serving(pod) as client:
        code, _, metadata = failure(client, infer_request("好"), metadata=(("x-request-timeout-ms", "50"),))
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        assert metadata["bertmesh-problem"] == "urn:bertmesh:problem:deadline-passed"
        assert failure(client, infer_request("好"), timeout=0.05)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        assert (
            failure(client, infer_request("好"), metadata=(("x-request-timeout-ms", "x"),))[0] is CODES[400]
        )
    pod.close()


def test_a_pod_that_is_not_ready_says_unavailable_and_when_to_come_back(tiny: Tiny) -> None:
    pod = build(tiny.settings())
    with serving(pod) as client:
        assert not client.call("ServerReady")[0].ready
        code, _, metadata = failure(client, infer_request("好"))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert metadata["retry-after"] == "1"


@pytest.mark.parametrize("name", ["RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"])
def test_models_are_not_changed_by_way_of_the_serving_port(grpc_client: Client, name: str) -> None:
    with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        grpc_client.call(name)


@pytest.mark.parametrize("name", ["", SERVICE, HEALTH])
def test_the_standard_health_service_says_what_readyz_says(tiny: Tiny, name: str) -> None:
    pod = build(tiny.settings())
    with serving(pod) as client:
        stub: Any = health_pb2_grpc.HealthStub(client.channel)
        request = health_pb2.HealthCheckRequest(service=name)
        watched = stub.Watch(request, timeout=30)
        assert (
            stub.Check(request).status == next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
        )
        pod.load()
        assert stub.Check(request).status == next(watched).status == health_pb2.HealthCheckResponse.SERVING
        pod.drain()
        assert (
            stub.Check(request).status == next(watched).status == health_pb2.HealthCheckResponse.NOT_SERVING
        )
        watched.cancel()
    pod.close()


def test_an_unknown_services_health_is_unknown(grpc_client: Client) -> None:
    stub: Any = health_pb2_grpc.HealthStub(grpc_client.channel)
    request = health_pb2.HealthCheckRequest(service="nobody")
    with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
        stub.Check(request)
    assert [each.status for each in stub.Watch(request, timeout=30)] == [
        health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    ]


def test_reflection_lists_the_services_and_describes_their_messages(grpc_client: Client) -> None:
    database = ProtoReflectionDescriptorDatabase(grpc_client.channel)
    assert set(database.get_services()) == {SERVICE, HEALTH, "grpc.reflection.v1alpha.ServerReflection"}
    pool = DescriptorPool(database)
    assert {method.name for method in pool.FindServiceByName(SERVICE).methods} >= {"ModelInfer", "ModelReady"}
    assert pool.FindMessageTypeByName("inference.ModelInferRequest").fields_by_name["inputs"]
    assert pool.FindServiceByName(HEALTH).methods_by_name["Check"]


def test_calls_are_counted_with_the_http_requests(tiny: Tiny) -> None:
    pod = build(tiny.settings())
    pod.load()
    with serving(pod) as client:
        client.infer("好")
        failure(client, infer_request("好", parameters={"task": "fill-mask"}))
    count = pod.metrics.registry.get_sample_value
    labels = {"cache": "off", "route": "primary", "model_version": pod.version}
    assert count("bertmesh_requests_total", labels | {"task": "feature-extraction", "code": "200"}) == 1
    assert count("bertmesh_rejected_total", {"problem": "no-mask"}) == 1
    pod.close()


def test_an_unexpected_failure_shows_no_traceback(
    grpc_client: Client, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(pod.predictor), "predict", lambda *_args, **_more: 1 / 0)
    code, said, _ = failure(grpc_client, infer_request("好"))
    assert code is grpc.StatusCode.INTERNAL
    assert "ZeroDivision" not in said


def test_an_address_that_is_taken_is_told(pod: Pod) -> None:
    port = free_port()
    first = serve(pod, f"127.0.0.1:{port}")
    with pytest.raises(SettingsError, match="BERTMESH_GRPC_BIND"):
        serve(pod, f"127.0.0.1:{port}")
    first.stop().wait()


@pytest.mark.slow
def test_the_port_opens_in_a_pod_and_a_call_in_flight_is_answered_before_the_end(
    tiny: Tiny, tmp_path: Path
) -> None:
    port = free_port()
    bind = f"127.0.0.1:{port}"
    with (
        running_pod(tiny, tmp_path, GRPC_BIND=bind, DRAIN_S="0", FAULT="latency=1s") as pod,
        grpc.insecure_channel(bind) as channel,
        ThreadPoolExecutor(1) as pool,
    ):
        slow = pool.submit(Client(channel).infer, "好")
        wait_until(lambda: "in_flight 1.0" in pod.metrics(), "the call is in flight")
        pod.child.signal(signal.SIGTERM)
        assert list(slow.result().outputs[0].shape) == [1, WIDTH]
        assert pod.exit_code() == 0

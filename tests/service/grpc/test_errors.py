"""What the gRPC port refuses: with a code that blames the right side, and the problem's type."""

from typing import Any

import grpc
import pytest

from service.grpc.messages import SERVICE
from service.http.limits import MAX_BODY_BYTES
from service.pod.assembly import build
from tests.service.conftest import Tiny
from tests.service.grpc.test_calls import Client, failure, grpc_client, infer_request, serving

__all__ = ["grpc_client"]  # a fixture
INVALID = grpc.StatusCode.INVALID_ARGUMENT


def raw(
    client: Client, content: bytes, path: str = f"/{SERVICE}/ModelInfer"
) -> tuple[Any, str, dict[str, str]]:
    """Send bytes as they are; return the code, the sentence and the trailing metadata."""
    ask: Any = client.channel.unary_unary(path)
    with pytest.raises(grpc.RpcError) as caught:
        ask(content, timeout=30)
    error: Any = caught.value
    return error.code(), error.details(), dict(error.trailing_metadata())


def named(slug: str) -> str:
    return f"urn:bertmesh:problem:{slug}"


@pytest.mark.parametrize("content", [b"\xff\xff\xff\xff", b"\x0a\x02\xff\xfe", b"\x0a\x7fshort"])
def test_bytes_that_are_no_message_are_the_clients_fault(
    grpc_client: Client, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    code, said, metadata = raw(grpc_client, content)
    assert code is INVALID
    assert f"{len(content)} bytes that are no inference.ModelInferRequest" in said
    assert metadata["bertmesh-problem"] == named("unreadable-message")
    assert metadata["x-request-id"]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("header", ["9" * 5000, "9" * 30, "junk", "0", "-1", "1.5", "600001"])
@pytest.mark.parametrize("timeout", [30, None])
def test_a_deadline_that_is_no_number_in_range_is_refused_whether_grpc_has_one_or_not(
    grpc_client: Client, header: str, timeout: float | None
) -> None:
    metadata = (("x-request-timeout-ms", header),)
    code, said, trailer = failure(grpc_client, infer_request("好"), metadata=metadata, timeout=timeout)
    assert code is INVALID
    assert "whole milliseconds from 1 to 600,000 needed" in said
    assert trailer["bertmesh-problem"] == named("invalid-header")


def test_a_usable_deadline_stands_beside_grpcs_own(grpc_client: Client) -> None:
    metadata = (("x-request-timeout-ms", "30000"),)
    assert grpc_client.call("ModelInfer", infer_request("好"), metadata=metadata, timeout=20)[0].model_name


def long_tensor() -> Any:  # noqa: ANN401 - a message
    request = infer_request("好")
    request.inputs[0].name = "文" * 20_000
    return request


def long_output() -> Any:  # noqa: ANN401 - a message
    request = infer_request("好")
    request.outputs.add(name="文" * 20_000)
    return request


@pytest.mark.parametrize(
    ("request_made", "code"),
    [
        (infer_request("好", model_name="文" * 20_000), grpc.StatusCode.NOT_FOUND),
        (infer_request("好", model_version="x" * 20_000), grpc.StatusCode.NOT_FOUND),
        (infer_request("好", parameters={"x" * 20_000: 3}), INVALID),
        (infer_request("好", parameters={"task": "好" * 20_000}), INVALID),
        (infer_request("好", parameters={"pooling": "好" * 20_000}), INVALID),
        (long_tensor(), INVALID),
        (long_output(), INVALID),
        (infer_request("好", parameters={f"{number}{'文' * 300}": 3 for number in range(20)}), INVALID),
    ],
)
def test_a_long_name_is_refused_as_what_it_is_and_not_as_overload(
    grpc_client: Client,
    request_made: Any,  # noqa: ANN401 - a message
    code: grpc.StatusCode,
) -> None:
    seen, said, metadata = failure(grpc_client, request_made)
    assert seen is code
    assert len(said.encode()) <= 1010
    assert metadata["bertmesh-problem"]


def test_of_many_words_about_many_names_the_first_and_the_last_are_told(grpc_client: Client) -> None:
    names = {f"{number}{'文' * 300}": 3 for number in range(20)}
    _, said, _ = failure(grpc_client, infer_request("好", parameters=names))
    assert "[...]" in said
    assert said.startswith("parameters.")
    assert said.endswith("check its spelling.")


def test_a_message_that_is_larger_than_a_body_may_be_is_told_the_limit(grpc_client: Client) -> None:
    content = bytes(MAX_BODY_BYTES + 1)
    code, said, metadata = raw(grpc_client, content)
    assert code is INVALID
    assert said == "a message of 1,048,577 bytes; at most 1,048,576 needed: send less, in several requests"
    assert metadata["bertmesh-problem"] == named("body-too-large")


@pytest.mark.parametrize(
    "path", [f"/{SERVICE}/RepositoryModelLoad", f"/{SERVICE}/Nothing", "/other.Service/Ask"]
)
def test_what_nobody_answers_is_unimplemented_with_a_type(tiny: Tiny, path: str) -> None:
    pod = build(tiny.settings())
    with serving(pod) as client:
        code, said, metadata = raw(client, b"", path)
    assert code is grpc.StatusCode.UNIMPLEMENTED
    assert f"no method {path} here" in said
    assert metadata["bertmesh-problem"] == named("not-found")
    count = pod.metrics.registry.get_sample_value
    assert count("bertmesh_rejected_total", {"problem": "not-found"}) == 1
    pod.close()


def test_an_unknown_stream_is_refused_before_it_sends_anything(grpc_client: Client) -> None:
    never: Any = grpc_client.channel.stream_stream("/other.Service/Talk")
    with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        next(never(iter(lambda: b"more", None), timeout=30))

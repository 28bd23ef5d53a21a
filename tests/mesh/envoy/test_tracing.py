"""Spans of a real Envoy at a real OTLP receiver."""

import asyncio
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from bertmesh.local.ports import free_port
from mesh.envoy.bootstrap import collector_address
from mesh.errors import InvalidMesh
from mesh.model import Split
from tests.support.gateway import Answer, gateway
from tests.support.pods import pods
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT_SPAN = "00f067aa0ba902b7"
PATIENCE_S = 20


async def spans_of_one_request(folder: Path) -> tuple[list[Span], str, Answer]:
    """Return the spans that Envoy sends, the traceparent that the pod got, and the answer."""
    port = free_port()
    spans: list[Span] = []
    async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=port)) as receiver:
        collector = f"http://127.0.0.1:{port}"
        with (
            pods("1.0") as (pod,),
            gateway(folder, {"1.0": [pod]}, Split("1.0"), collector=collector) as here,
        ):
            traceparent = f"00-{TRACE}-{CLIENT_SPAN}-01"
            answer = await asyncio.to_thread(here.call, traceparent=traceparent)
            async with asyncio.timeout(PATIENCE_S):
                async for span in receiver.stream_traces():
                    spans.append(span)
                    if len(spans) == 2:
                        break
            return spans, pod.seen[0]["traceparent"], answer


def test_one_trace_leads_from_the_client_through_envoy_to_the_pod(tmp_path: Path) -> None:
    spans, traceparent, answer = asyncio.run(spans_of_one_request(tmp_path))
    assert answer.status == 200
    by_kind = {span.kind: span for span in spans}
    ingress, egress = by_kind[Span.SPAN_KIND_SERVER], by_kind[Span.SPAN_KIND_CLIENT]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert ingress.parent_span_id.hex() == CLIENT_SPAN
    assert egress.parent_span_id == ingress.span_id
    assert traceparent == f"00-{TRACE}-{egress.span_id.hex()}-01"


@pytest.mark.parametrize("url", ["127.0.0.1:4318", "https://127.0.0.1:4318", "http://"])
def test_a_collector_that_is_no_http_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidMesh, match="like http://127"):
        collector_address(url)


def test_a_mirrored_copy_keeps_the_trace_of_its_request_and_is_not_recorded(tmp_path: Path) -> None:
    with (
        pods("1.0", "1.1") as (stable, canary),
        gateway(
            tmp_path,
            {"1.0": [stable], "1.1": [canary]},
            Split("1.0", "1.1", mirror=100),
            collector=f"http://127.0.0.1:{free_port()}",
        ) as here,
    ):
        assert here.call(traceparent=f"00-{TRACE}-{CLIENT_SPAN}-01").status == 200
        wait_until(lambda: canary.seen, "the copy")
        assert stable.seen[0]["traceparent"].startswith(f"00-{TRACE}-")
        assert stable.seen[0]["traceparent"].endswith("-01")
        assert canary.seen[0]["traceparent"].startswith(f"00-{TRACE}-")
        assert canary.seen[0]["traceparent"].endswith("-00")

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest
from flask import Flask
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from bertmesh.local.ports import free_ports
from observability.logs import JsonFormatter
from service.api.app import wrap
from service.cache.answers import AnswerCache, Rules
from service.cache.store import GuardedStore
from service.pod.assembly import build
from tests.service.cache.test_answers import MemoryStore
from tests.service.conftest import Tiny
from tests.support.processes import LIMIT_S

PARENT = "00-{trace}-00f067aa0ba902b7-{flags}"
SERVER = "POST /fill-mask"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FILL = {"text": "中国的首都是[MASK]。"}


def spans_of(
    tiny: Tiny,
    monkeypatch: pytest.MonkeyPatch,
    use: Callable[[Flask], None],
    *,
    last: str = SERVER,
    count: int = 1,
    cached: bool = False,
) -> list[Span]:
    """Return what a real OTLP receiver gets from a pod, up to the ``count``-th span named ``last``."""
    port = free_ports(1)[0]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")

    def serve() -> None:
        pod = build(tiny.settings(version="1.1"))
        if cached:
            guard = GuardedStore(MemoryStore(), pod.clock, pod.telemetry)
            pod.cache = AnswerCache(guard, Rules(), observer=pod.telemetry, random=Random(1))
        pod.load()
        use(wrap(pod))
        pod.close()

    async def collect() -> list[Span]:
        async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(port)) as receiver:
            received = asyncio.create_task(take(receiver.stream_traces(), last, count))
            await asyncio.sleep(0)  # only what comes after its first step is seen by the stream
            await asyncio.to_thread(serve)
            return await asyncio.wait_for(received, LIMIT_S)

    return asyncio.run(collect())


async def take(stream: AsyncIterator[Span], last: str, count: int) -> list[Span]:
    """Return the spans of a stream up to the ``count``-th of this name; a server's ends last."""
    spans: list[Span] = []
    async for span in stream:
        spans.append(span)
        if [one.name for one in spans].count(last) == count:
            break
    return spans


def post(app: Flask, trace: str = TRACE, flags: str = "01") -> None:
    headers = {"traceparent": PARENT.format(trace=trace, flags=flags)}
    assert app.test_client().post("/fill-mask", json=FILL, headers=headers).status_code == 200


def attributes(span: Span) -> dict[str, str | int]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes}


def test_one_request_is_one_unbroken_trace(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = spans_of(tiny, monkeypatch, post, cached=True)
    named = {span.name: span for span in spans if span.trace_id.hex() == TRACE}
    assert set(named) == {"POST /fill-mask", "bertmesh.cache", "bertmesh.queue", "bertmesh.engine"}
    server = named["POST /fill-mask"]
    assert server.kind == Span.SPAN_KIND_SERVER
    assert server.parent_span_id.hex() == "00f067aa0ba902b7"
    for name in ("bertmesh.cache", "bertmesh.queue", "bertmesh.engine"):
        assert named[name].parent_span_id == server.span_id


def test_the_server_span_has_the_stable_http_names(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    spans = spans_of(tiny, monkeypatch, post)
    server = next(span for span in spans if span.kind == Span.SPAN_KIND_SERVER)
    seen = attributes(server)
    assert seen["http.request.method"] == "POST"
    assert seen["http.route"] == seen["url.path"] == "/fill-mask"
    assert seen["http.response.status_code"] == 200
    assert seen["bertmesh.model.version"] == "1.1"


def test_a_batch_is_linked_to_every_request_in_it_and_belongs_to_none(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = [f"{number:032x}" for number in range(1, 21)]

    def use(app: Flask) -> None:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda trace: post(app, trace), traces))

    spans = spans_of(tiny, monkeypatch, use, count=len(traces))
    servers = {span.span_id: span for span in spans if span.kind == Span.SPAN_KIND_SERVER}
    batches = [span for span in spans if span.name == "bertmesh.batch"]
    links = [link.span_id for batch in batches for link in batch.links]
    assert sorted(links) == sorted(servers)
    assert sum(int(attributes(batch)["bertmesh.batch.requests"]) for batch in batches) == len(traces)
    assert not {batch.trace_id.hex() for batch in batches} & set(traces)
    engines = [span for span in spans if span.name == "bertmesh.engine"]
    assert {engine.trace_id.hex() for engine in engines} == set(traces)
    assert {link.span_id for engine in engines for link in engine.links} == {
        batch.span_id for batch in batches
    }


def test_a_trace_that_the_caller_does_not_sample_is_not_sent(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = "f" * 32

    def use(app: Flask) -> None:
        post(app, silent, flags="00")
        post(app)

    spans = spans_of(tiny, monkeypatch, use)
    traces = {span.trace_id.hex() for span in spans} | {
        link.trace_id.hex() for span in spans for link in span.links
    }
    assert TRACE in traces
    assert silent not in traces
    assert len([span for span in spans if span.name == "bertmesh.batch"]) == 1


def test_without_a_collector_the_trace_id_is_still_logged(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    pod = build(tiny.settings())
    pod.load()
    caplog.handler.setFormatter(JsonFormatter())
    with caplog.at_level(logging.INFO, "service.access"):
        headers = {"traceparent": PARENT.format(trace=TRACE, flags="01")}
        wrap(pod).test_client().post("/fill-mask", json=FILL, headers=headers)
    assert f'"trace_id":"{TRACE}"' in caplog.text
    pod.close()


def test_a_copy_goes_on_with_the_trace_of_its_request_and_mostly_leaves_no_span(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use(app: Flask) -> None:
        client = app.test_client()
        for number in range(1, 51):
            parent = PARENT.format(trace=f"{number * 100 + 7:032x}", flags="01")
            copy = {"x-bertmesh-route": "1.0", "traceparent": parent}
            assert client.post("/fill-mask", json=FILL, headers=copy).status_code == 200
        kept = {"x-bertmesh-route": "1.0", "traceparent": PARENT.format(trace=f"{100:032x}", flags="01")}
        assert client.post("/fill-mask", json=FILL, headers=kept).status_code == 200
        assert client.post("/fill-mask", json=FILL, headers={"x-bertmesh-route": "1.0"}).status_code == 200
        post(app)

    spans = spans_of(tiny, monkeypatch, use, count=2)
    assert {span.trace_id.hex() for span in spans if span.name == SERVER} == {TRACE, f"{100:032x}"}
    # The engine's warm-up has a batch of its own.
    batches = [span for span in spans if span.name == "bertmesh.batch" and span.links]
    assert len({link.trace_id.hex() for span in batches for link in span.links} - {"0" * 32}) == 2

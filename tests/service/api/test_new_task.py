"""A task that is one file and one line in the table is offered everywhere."""

from collections.abc import Iterator
from random import Random

import pytest
from flask.testing import FlaskClient

from service.api.app import wrap
from service.cache.answers import AnswerCache, Rules
from service.cache.store import GuardedStore
from service.pod.assembly import Pod, build
from service.shadow.comparer import CanaryAnswer, StableAnswer
from service.tasks.base import Query
from service.tasks.table import ENDPOINTS
from tests.service.api.test_app import json_of, post
from tests.service.cache.test_answers import MemoryStore
from tests.service.conftest import Tiny
from tests.service.grpc.test_calls import serving
from tests.service.number import ENDPOINT, Mean, Number
from tests.service.shadow.test_comparer import Office


@pytest.fixture
def pod(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pod]:
    monkeypatch.setitem(ENDPOINTS, ENDPOINT.name, ENDPOINT)
    pod = build(tiny.settings())
    guard = GuardedStore(MemoryStore(), pod.clock, pod.telemetry)
    pod.cache = AnswerCache(guard, Rules(), observer=pod.telemetry, random=Random(1))
    pod.load()
    yield pod
    pod.close()


@pytest.fixture
def client(pod: Pod) -> FlaskClient:
    return wrap(pod).test_client()


def test_its_path_answers_and_is_cached(client: FlaskClient) -> None:
    first, again = (post(client, "/mean", {"text": "好"}) for _ in range(2))
    assert [each.headers["x-bertmesh-cache"] for each in (first, again)] == ["miss", "hit"]
    assert json_of(first)["result"] == json_of(again)["result"]
    assert set(json_of(first)["result"]) == {"value"}


def test_the_index_the_description_and_the_page_show_it(client: FlaskClient) -> None:
    assert json_of(client.get("/"))["examples"]["POST /mean"] == ENDPOINT.example
    described = json_of(client.get("/openapi.json"))
    assert described["paths"]["/mean"]["post"]["summary"] == ENDPOINT.summary
    assert "MeanAnswer" in described["components"]["schemas"]
    assert ENDPOINT.summary in client.get("/docs").text


def test_a_task_cannot_be_offered_without_an_example() -> None:
    with pytest.raises(TypeError, match="example"):
        type(ENDPOINT)(Mean, ENDPOINT.request, summary="Take the mean")  # type: ignore[call-arg] # that is it


def test_tensors_ask_for_it_over_rest_and_over_grpc(client: FlaskClient, pod: Pod) -> None:
    value = json_of(post(client, "/mean", {"text": "好"}))["result"]["value"]
    inputs = [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["好"]}]
    sent = {"inputs": inputs, "parameters": {"task": "mean"}}
    answer = json_of(post(client, "/v2/models/tiny/infer", sent))
    outputs = {each["name"]: each["data"] for each in answer["outputs"]}
    assert outputs == {"number": [pytest.approx(value)], "windows": [1]}
    assert "number" in [each["name"] for each in json_of(client.get("/v2/models/tiny"))["outputs"]]
    with serving(pod) as grpc:
        number, _ = grpc.infer("好", parameters={"task": "mean"}).outputs
        assert list(number.contents.fp32_contents) == [pytest.approx(value)]


def test_a_canarys_answers_to_it_are_compared() -> None:
    office = Office()
    office.comparer.put(StableAnswer("a", "1.0", Number(1)))
    office.comparer.put(CanaryAnswer("a", "1.1", Mean(), Query("好"), Number(2), "id", "trace"))
    office.comparer.turn(0.0)
    assert [row["sentence"] for row in office.shown()] == ["1 and 2"]

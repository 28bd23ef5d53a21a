import re

import pytest
from flask.testing import FlaskClient

from service.api.app import wrap
from service.pod.assembly import Pod, build
from tests.service.api.test_app import json_of, post, problem
from tests.service.conftest import Tiny
from tests.service.tiny import WIDTH

INFER = "/v2/models/tiny/infer"


def tensor(*texts: str, name: str = "text", shape: list[int] | None = None) -> dict[str, object]:
    return {"name": name, "shape": shape or [len(texts)], "datatype": "BYTES", "data": list(texts)}


def infer(
    client: FlaskClient, *inputs: dict[str, object], **parameters: object
) -> dict[str, dict[str, object]]:
    """Return the output tensors by name."""
    answer = json_of(post(client, INFER, {"inputs": list(inputs), "parameters": parameters}))
    return {output["name"]: output for output in answer["outputs"]}


def test_the_server_tells_its_name_and_what_it_can_do(client: FlaskClient) -> None:
    answer = json_of(client.get("/v2"))
    assert answer["name"] == "bertmesh"
    assert answer["extensions"] == []


def test_health_and_readiness_follow_the_pods_own(client: FlaskClient, tiny: Tiny) -> None:
    assert json_of(client.get("/v2/health/live")) == {"live": True}
    assert json_of(client.get("/v2/health/ready")) == {"ready": True}
    assert json_of(client.get("/v2/models/tiny/ready")) == {"name": "tiny", "ready": True}
    starting = wrap(build(tiny.settings())).test_client()
    assert starting.get("/v2/health/live").status_code == 200
    problem(starting.get("/v2/health/ready"), 503, "not-ready")
    problem(starting.get("/v2/models/tiny/ready"), 503, "not-ready")


def test_a_model_tells_its_tensors_under_its_name_and_version(client: FlaskClient, pod: Pod) -> None:
    answer = json_of(client.get("/v2/models/tiny"))
    assert answer == json_of(client.get(f"/v2/models/tiny/versions/{pod.version}"))
    assert answer["versions"] == [pod.version]
    assert {"name": "text", "datatype": "BYTES", "shape": [-1]} in answer["inputs"]
    assert {"name": "features", "datatype": "FP32", "shape": [-1, -1]} in answer["outputs"]


@pytest.mark.parametrize(
    "path", ["/v2/models/other", "/v2/models/tiny/versions/9", "/v2/models/tiny/versions/9/ready"]
)
def test_another_model_or_version_is_not_here(client: FlaskClient, path: str) -> None:
    document = problem(client.get(path), 404, "unknown-model")
    assert document["error"] == document["detail"]


def test_features_are_what_the_own_endpoint_gives(client: FlaskClient) -> None:
    seen = infer(client, tensor("好", "天气很好"), pooling="mean", normalize=True)
    body = {"text": ["好", "天气很好"], "pooling": "mean", "normalize": True}
    own = json_of(post(client, "/feature-extraction", body))["result"]
    assert seen["features"]["shape"] == [2, WIDTH]
    assert seen["features"]["datatype"] == "FP32"
    assert seen["features"]["data"] == pytest.approx([*own[0], *own[1]], abs=1e-4)
    assert seen["windows"]["data"] == [1, 1]


def test_similarity_takes_a_second_tensor(client: FlaskClient) -> None:
    seen = infer(client, tensor("好", "一"), tensor("好", "不", name="text_pair"), task="semantic-similarity")
    assert seen["similarity"]["shape"] == [2]
    assert seen["similarity"]["data"][0] == pytest.approx(1)  # type: ignore[index] # JSON


def test_the_masks_of_all_texts_stand_one_after_the_other(client: FlaskClient) -> None:
    seen = infer(client, tensor("一[MASK]", "[MASK]的[MASK]"), task="fill-mask", top_k=2)
    own = json_of(post(client, "/fill-mask", {"text": "一[MASK]", "top_k": 2}))["result"]
    assert seen["tokens"]["shape"] == seen["scores"]["shape"] == [3, 2]
    assert seen["tokens"]["data"][:2] == [each["token"] for each in own]  # type: ignore[index] # JSON
    assert seen["scores"]["data"][:2] == pytest.approx([each["score"] for each in own], abs=1e-4)  # type: ignore[index] # JSON
    assert seen["masks"]["data"] == [0, 1, 1, 0, 1, 7]


def test_targets_are_a_tensor_too(client: FlaskClient) -> None:
    seen = infer(client, tensor("一[MASK]"), tensor("不", "好", "的", name="targets"), task="fill-mask")
    assert sorted(seen["tokens"]["data"]) == sorted(["不", "好", "的"])  # type: ignore[call-overload] # JSON


def test_texts_may_stand_one_to_a_row_and_the_id_comes_back(client: FlaskClient) -> None:
    rows = {"name": "text", "shape": [2, 1], "datatype": "BYTES", "data": [["好"], ["一"]]}
    answer = json_of(post(client, INFER, {"id": "42", "inputs": [rows], "outputs": [{"name": "windows"}]}))
    assert answer["id"] == "42"
    assert [output["name"] for output in answer["outputs"]] == ["windows"]
    assert answer["model_name"] == "tiny"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "inputs: is missing"),
        ({"inputs": []}, "text: is missing"),
        ({"inputs": [tensor("好", name="ids")]}, r"inputs\.ids: is unknown; text, text_pair, targets needed"),
        ({"inputs": [tensor("好", shape=[2])]}, r"inputs\.text: has the shape \[2\] and 1 texts"),
        ({"inputs": [tensor("好", shape=[1, 1, 1])]}, r"\[n\] or \[n, 1\] needed"),
        ({"inputs": [tensor("好") | {"datatype": "FP32"}]}, r"inputs\.text: is FP32; BYTES needed"),
        ({"inputs": [tensor("好"), tensor("好")]}, "text: is sent twice"),
        ({"inputs": [tensor("好")], "parameters": {"task": "ner"}}, r"parameters\.task: is 'ner'; one of"),
        ({"inputs": [tensor("好")], "parameters": {"pooling": "sum"}}, "pooling: is 'sum'"),
        (
            {"inputs": [tensor("好")], "outputs": [{"name": "scores"}]},
            r"outputs\.scores: is not made by feat",
        ),
        ({"inputs": [tensor(*["好"] * 33)]}, "text: has 33 texts; 1 to 32 needed"),
    ],
)
def test_tensors_that_do_not_fit_are_named(client: FlaskClient, body: dict[str, object], said: str) -> None:
    document = problem(post(client, INFER, body), 422, "invalid-fields")
    assert re.search(said, str(document["detail"]))


def test_requests_are_counted_under_the_task_they_ask_for(tiny: Tiny) -> None:
    pod = build(tiny.settings())
    pod.load()
    client = wrap(pod).test_client()
    infer(client, tensor("好"))
    assert 'task="feature-extraction"' in client.get("/metrics").data.decode()
    pod.close()


def test_tensors_in_binary_are_refused_with_what_to_do(client: FlaskClient) -> None:
    headers = {"Inference-Header-Content-Length": "2", "Content-Type": "application/octet-stream"}
    document = problem(client.post(INFER, data=b"{}\x00", headers=headers), 415, "wrong-content-type")
    assert "binary_data=False" in str(document["detail"])

import json
import logging
from collections.abc import Iterator
from random import Random

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.app import wrap
from service.faults import Fault
from service.pod import Pod, State, build
from tests.service.conftest import Tiny
from tests.service.tiny import WIDTH

FILL = {"text": "中国的首都是[MASK]。"}
PAIR = {"text": "今天天气很好", "text_pair": "今天天气不好"}


def post(client: FlaskClient, path: str, body: object, **headers: str) -> TestResponse:
    return client.post(
        path, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def problem(response: TestResponse, status: int, slug: str) -> dict[str, object]:
    """Assert that this is a complete problem document of this type, and return it."""
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    document: dict[str, object] = json.loads(response.data)
    assert document["type"] == f"urn:bertmesh:problem:{slug}"
    assert document["status"] == status
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["title"]
    assert "Traceback" not in str(document)
    return document


def test_a_filled_mask_has_the_promised_shape(client: FlaskClient) -> None:
    answer = post(client, "/fill-mask", FILL | {"top_k": 3}).json
    assert answer is not None
    assert answer.keys() == {"result", "model", "prediction_id", "timestamp"}
    assert answer["model"]["name"] == "tiny"
    assert len(answer["result"]) == 3
    best = answer["result"][0]
    assert best["sequence"] == f"中国的首都是{best['token']}。"
    assert best["offset"] == 6
    assert 0 < best["score"] <= 1


def test_five_candidates_are_the_default(client: FlaskClient) -> None:
    assert len(post(client, "/fill-mask", FILL).json["result"]) == 5  # type: ignore[index] # a JSON answer


def test_a_list_of_texts_gets_a_list_of_results_in_order(client: FlaskClient) -> None:
    texts = ["一[MASK]", "[MASK]的[MASK]", "不[MASK]"]
    together = post(client, "/fill-mask", {"text": texts, "top_k": 1}).json
    alone = [post(client, "/fill-mask", {"text": text, "top_k": 1}).json for text in texts]
    assert together is not None
    tokens = [
        [[candidate["token"] for candidate in mask] for mask in masks_of(answer["result"])]
        for answer in alone
        if answer is not None
    ]
    assert [
        [[c["token"] for c in mask] for mask in masks_of(result)] for result in together["result"]
    ] == tokens


def masks_of(result: list[object]) -> list[list[dict[str, object]]]:
    """Return the candidates by mask, whether there are one or several."""
    return [result] if isinstance(result[0], dict) else result  # type: ignore[list-item, return-value] # JSON


def test_similarity_is_a_number_from_0_to_1(client: FlaskClient) -> None:
    answer = post(client, "/semantic-similarity", PAIR).json
    same = post(client, "/semantic-similarity", {"text": "好", "text_pair": "好"}).json
    pairs = post(client, "/semantic-similarity", {"text": ["好", "一"], "text_pair": ["好", "一"]}).json
    assert answer is not None
    assert same is not None
    assert pairs is not None
    assert 0 <= answer["result"] <= 1
    assert same["result"] == pytest.approx(1)
    assert pairs["result"] == pytest.approx([1, 1])


def test_features_are_one_vector_a_text(client: FlaskClient) -> None:
    one = post(client, "/feature-extraction", {"text": "好"}).json
    two = post(client, "/feature-extraction", {"text": ["好", "一二三"]}).json
    assert one is not None
    assert two is not None
    assert len(one["result"]) == WIDTH
    assert two["result"][0] == pytest.approx(one["result"], abs=1e-4)


def test_every_answer_says_who_gave_it(client: FlaskClient, pod: Pod) -> None:
    for response in (post(client, "/fill-mask", FILL), post(client, "/fill-mask", {}), client.get("/livez")):
        assert response.headers["x-model-version"] == pod.version
        assert response.headers["x-request-id"]
    assert post(client, "/fill-mask", FILL).headers["x-bertmesh-cache"] == "off"


def test_a_request_id_is_kept_if_it_is_harmless(client: FlaskClient) -> None:
    assert post(client, "/fill-mask", FILL, x_request_id="abc-1").headers["x-request-id"] == "abc-1"
    for bad in ("x" * 200, "a b", ""):
        assert post(client, "/fill-mask", FILL, x_request_id=bad).headers["x-request-id"] != bad


@pytest.mark.parametrize(
    ("body", "content_type", "status", "slug"),
    [
        (b"{", "application/json", 400, "not-json"),
        (b'{"text": "\xff\xfe"}', "application/json", 400, "not-json"),
        (b'{"text": "\\ud800[MASK]"}', "application/json", 400, "not-json"),
        (b'{"text": "a"}', "text/plain", 415, "wrong-content-type"),
        (b'{"text": "a"}', "", 415, "wrong-content-type"),
        (b'{"text": "a"}', "application/json; charset=gbk", 415, "wrong-content-type"),
        (b"{}", "application/json", 422, "invalid-fields"),
        (b'{"text": "a", "x": 1}', "application/json", 422, "invalid-fields"),
        (b'{"text": "a"}', "application/json", 422, "no-mask"),
        (b'{"text": "' + b"[MASK]" * 1000 + b'"}', "application/json", 422, "too-many-masks"),
        (b'{"text": "[MASK]' + b"a b " * 1000 + b'"}', "application/json", 422, "text-too-long"),
        (b'{"text": "' + b"a" * 100_000 + b'"}', "application/json", 422, "invalid-fields"),
        (b'{"text": "' + b"a" * 2_000_000 + b'"}', "application/json", 413, "body-too-large"),
    ],
)
def test_what_cannot_be_answered_is_a_problem_document(
    client: FlaskClient, body: bytes, content_type: str, status: int, slug: str
) -> None:
    response = client.post("/fill-mask", data=body, headers={"Content-Type": content_type})
    assert problem(response, status, slug)["detail"]


def test_each_field_at_fault_is_listed(client: FlaskClient) -> None:
    document = problem(post(client, "/fill-mask", {"text": 1, "x": 2}), 422, "invalid-fields")
    assert document["errors"] == [
        {"field": "text", "message": "is a number; a string needed: put the text in quotes"},
        {"field": "x", "message": "is unknown; only known fields are taken: remove it or check its spelling"},
    ]


def test_unknown_paths_and_methods_are_problem_documents_too(client: FlaskClient) -> None:
    document = problem(client.get("/nope{x}"), 404, "not-found")
    assert document["detail"] == "there is nothing at /nope{x}; GET / lists what there is"
    response = client.get("/fill-mask")
    problem(response, 405, "method-not-allowed")
    assert "POST" in response.headers["Allow"]


def test_an_unexpected_failure_shows_no_traceback(
    client: FlaskClient, pod: Pod, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(type(pod.predictor), "predict", lambda *_args, **_more: 1 / 0)
    with caplog.at_level(logging.ERROR):
        problem(post(client, "/fill-mask", FILL), 500, "internal")
    assert any(record.exc_info for record in caplog.records)


def test_a_pod_that_starts_is_alive_but_not_started_and_not_ready(tiny: Tiny) -> None:
    pod = build(tiny.settings(version="1.1"))
    client = wrap(pod).test_client()
    assert client.get("/livez").status_code == 200
    problem(client.get("/startupz"), 503, "not-ready")
    problem(client.get("/readyz"), 503, "not-ready")
    response = post(client, "/fill-mask", FILL)
    problem(response, 503, "not-ready")
    assert response.headers["Retry-After"] == "1"
    pod.load()
    assert [client.get(path).status_code for path in ("/livez", "/startupz", "/readyz")] == [200] * 3
    pod.close()


def test_a_pod_that_drains_is_not_ready_but_answers(tiny: Tiny) -> None:
    pod = build(tiny.settings())
    pod.load()
    pod.drain()
    client = wrap(pod).test_client()
    problem(client.get("/readyz"), 503, "not-ready")
    assert client.get("/startupz").status_code == 200
    assert post(client, "/fill-mask", FILL).status_code == 200
    pod.close()


def test_the_version_tells_where_the_answers_come_from(client: FlaskClient, pod: Pod) -> None:
    assert pod.served is not None
    answer = client.get("/version").json
    assert answer is not None
    assert answer["digest"] == pod.served.model.version.digest
    assert answer["state"] == State.READY.value


def test_the_index_lists_every_endpoint(client: FlaskClient) -> None:
    answer = client.get("/").json
    assert answer is not None
    for call, body in answer["examples"].items():
        assert post(client, call.removeprefix("POST "), body).status_code == 200
    for path in answer["GET"]:
        assert client.get(path).status_code == 200


def series(client: FlaskClient, name: str) -> list[str]:
    lines = client.get("/metrics").data.decode().splitlines()
    return [line for line in lines if line.startswith(name)]


def test_mirrored_requests_are_counted_apart(tiny: Tiny) -> None:
    pod = build(tiny.settings(version="1.1"))
    pod.load()
    client = wrap(pod).test_client()
    post(client, "/fill-mask", FILL)
    post(client, "/fill-mask", FILL, x_bertmesh_route="1.1")
    post(client, "/fill-mask", FILL, x_bertmesh_route="1.0")
    counts = dict(line.rsplit(" ", 1) for line in series(client, "bertmesh_requests_total{"))
    labels = 'cache="off",code="200",model_version="1.1",route="%s",task="fill-mask"'
    assert counts == {
        f"bertmesh_requests_total{{{labels % 'primary'}}}": "2.0",
        f"bertmesh_requests_total{{{labels % 'mirror'}}}": "1.0",
    }
    pod.close()


def test_probes_and_scrapes_are_not_counted_as_requests(tiny: Tiny) -> None:
    pod = build(tiny.settings())
    pod.load()
    client = wrap(pod).test_client()
    for path in ("/livez", "/readyz", "/startupz", "/metrics"):
        client.get(path)
    assert series(client, "bertmesh_requests_total{") == []
    assert series(client, "bertmesh_model_info{")[0].endswith(" 1.0")
    pod.close()


@pytest.fixture
def faulty(tiny: Tiny) -> Iterator[FlaskClient]:
    pod = build(tiny.settings(version="1.2-faulty", fault=Fault(error=0.3, wrong=0.5)))
    pod.load()
    pod.predictor.faults._random = Random(3)
    yield wrap(pod).test_client()
    pod.close()


def test_a_faulty_pod_fails_its_share_of_valid_requests_and_never_a_probe(faulty: FlaskClient) -> None:
    codes = [post(faulty, "/fill-mask", FILL).status_code for _ in range(200)]
    assert codes.count(500) == pytest.approx(60, abs=25)
    assert codes.count(500) + codes.count(200) == 200
    assert {faulty.get("/readyz").status_code for _ in range(50)} == {200}
    assert {post(faulty, "/fill-mask", {}).status_code for _ in range(50)} == {422}


def test_a_faulty_pods_errors_say_that_they_are_a_drill(faulty: FlaskClient) -> None:
    answers = (post(faulty, "/fill-mask", FILL) for _ in range(200))
    failed = next(answer for answer in answers if answer.status_code == 500)
    assert "for a drill" in str(problem(failed, 500, "injected-fault")["detail"])


def test_a_faulty_pod_gives_wrong_answers(faulty: FlaskClient) -> None:
    answers = [post(faulty, "/fill-mask", FILL) for _ in range(100)]
    tokens = {
        answer.json["result"][0]["token"] for answer in answers if answer.json and answer.status_code == 200
    }
    assert len(tokens) == 2

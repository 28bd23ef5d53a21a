import json
import logging
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.api.app import wrap
from service.pod import exchange
from service.pod.assembly import Pod, State, build
from service.pod.faults import Fault
from tests.service.conftest import Tiny
from tests.service.tiny import WIDTH

FILL = {"text": "中国的首都是[MASK]。"}
PAIR = {"text": "今天天气很好", "text_pair": "今天天气不好"}


def post(client: FlaskClient, path: str, body: object, **headers: str) -> TestResponse:
    return client.post(
        path, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def json_of(response: TestResponse) -> Any:  # noqa: ANN401 - JSON
    """Return the document of an answer that succeeded."""
    assert response.status_code == 200, response.data
    return response.json


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
    assert answer.keys() == {"result", "windows", "model", "prediction_id", "timestamp"}
    assert answer["windows"] == 1
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


def masks_of(
    result: list[object] | dict[str, list[list[dict[str, object]]]],
) -> list[list[dict[str, object]]]:
    """Return the candidates by mask, whether there are one or several."""
    return result["masks"] if isinstance(result, dict) else [result]  # type: ignore[list-item] # JSON


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


def test_several_masks_are_also_filled_together(client: FlaskClient) -> None:
    answer = json_of(post(client, "/fill-mask", {"text": "中[MASK]的首[MASK]", "top_k": 3}))
    result = answer["result"]
    assert [len(mask) for mask in result["masks"]] == [3, 3]
    scores = [sequence["score"] for sequence in result["sequences"]]
    assert scores == sorted(scores, reverse=True)
    best = result["sequences"][0]
    assert best["sequence"] == f"中{best['tokens'][0]}的首{best['tokens'][1]}"


def test_a_filling_scores_the_product_of_what_the_model_says_step_by_step(client: FlaskClient) -> None:
    best = json_of(post(client, "/fill-mask", {"text": "[MASK]的[MASK]"}))["result"]["sequences"][0]
    one, other = best["tokens"]
    first = json_of(post(client, "/fill-mask", {"text": "[MASK]的[MASK]", "targets": [one]}))
    second = json_of(post(client, "/fill-mask", {"text": f"{one}的[MASK]", "targets": [other]}))
    product = first["result"]["masks"][0][0]["score"] * second["result"][0]["score"]
    assert best["score"] == pytest.approx(product, rel=1e-3)


def test_given_targets_get_their_scores(client: FlaskClient) -> None:
    answer = json_of(post(client, "/fill-mask", FILL | {"targets": ["不", "好", "一"]}))
    assert sorted(candidate["token"] for candidate in answer["result"]) == sorted(["不", "好", "一"])
    assert (
        len(json_of(post(client, "/fill-mask", FILL | {"targets": ["不", "好"], "top_k": 1}))["result"]) == 1
    )


def test_a_long_text_is_read_in_windows_and_the_answer_says_so(client: FlaskClient) -> None:
    long = "今天天气很好" * 100
    filled = json_of(post(client, "/fill-mask", {"text": [f"{long}[MASK]{long}", "[MASK]"]}))
    assert filled["windows"] == [13, 1]
    assert len(filled["result"][0]) == 5
    assert json_of(post(client, "/feature-extraction", {"text": long}))["windows"] == 7
    alike = json_of(post(client, "/semantic-similarity", {"text": long, "text_pair": long[:300]}))
    assert alike["windows"] == 7
    assert alike["result"] > 0.9


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_features_are_pooled_and_normalised_as_asked(client: FlaskClient, pooling: str) -> None:
    plain = json_of(post(client, "/feature-extraction", {"text": "天气很好", "pooling": pooling}))["result"]
    body = {"text": "天气很好", "pooling": pooling, "normalize": True}
    unit = json_of(post(client, "/feature-extraction", body))["result"]
    length = sum(value**2 for value in plain) ** 0.5
    assert unit == pytest.approx([value / length for value in plain], abs=1e-5)
    assert len(plain) == WIDTH


def test_what_a_client_no_longer_waits_for_is_a_408_and_a_bad_deadline_a_400(tiny: Tiny) -> None:
    pod = build(tiny.settings(fault=Fault(latency_s=0.05)))
    pod.load()
    client = wrap(pod).test_client()
    late = post(client, "/fill-mask", FILL, X_Request_Timeout_Ms="20")
    assert "20 ms of X-Request-Timeout-Ms" in str(problem(late, 408, "deadline-passed")["detail"])
    problem(post(client, "/fill-mask", FILL, X_Request_Timeout_Ms="soon"), 400, "invalid-header")
    assert post(client, "/fill-mask", FILL, X_Request_Timeout_Ms="60000").status_code == 200
    pod.close()


def test_an_answer_belongs_to_the_trace_of_its_request(client: FlaskClient) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = post(client, "/fill-mask", FILL, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert response.headers["traceparent"].split("-")[1] == trace


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


def test_an_id_that_nobody_sent_is_a_uuid_of_version_4(client: FlaskClient) -> None:
    answers = [post(client, "/fill-mask", FILL) for _ in range(2)]
    drawn = {json_of(answer)["prediction_id"] for answer in answers}
    drawn |= {answer.headers["x-request-id"] for answer in answers}
    assert len(drawn) == 2 * len(answers)
    assert {(str(UUID(each)), UUID(each).version) for each in drawn} == {(each, 4) for each in drawn}


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
        (
            b'{"text": "[MASK]", "targets": ["\xe5\x8c\x97\xe4\xba\xac"]}',
            "application/json",
            422,
            "invalid-target",
        ),
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


def test_a_request_whose_span_fails_is_answered_without_it(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "extract", lambda _headers: 1 / 0)
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    assert client.get("/v1/models", headers=trace).status_code == 200
    assert client.post("/fill-mask", json=FILL, headers=trace).status_code == 200


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

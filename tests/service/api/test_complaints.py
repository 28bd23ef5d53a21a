"""Fields at fault are named as their sender knows them, and no answer repeats a large request."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.errors import MOST
from tests.service.api.test_app import problem

TENSOR: dict[str, Any] = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["好"]}
INFER = "/v2/models/tiny/infer"
LONG = "长" * 200_000
ONE_OF = "true or false, a whole number, a number or a string needed: send one of them"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"inputs": [{}]}, {f"inputs[0].{name}": "is missing; it is needed: add it" for name in TENSOR}),
        ({"inputs": [1]}, {"inputs[0]": "is a number; an object needed: put it in braces"}),
        ({"inputs": [TENSOR | {"foo": 1}]}, {"inputs[0].foo": "is unknown; only known fields are taken"}),
        (
            {"inputs": [TENSOR | {"shape": [1.0]}]},
            {"inputs[0].shape[0]": "is a number; a whole number needed"},
        ),
        ({"inputs": [TENSOR | {"data": [1]}]}, {"inputs[0].data[0]": "is a number; a string needed"}),
        ({"inputs": [TENSOR | {"data": None}]}, {"inputs[0].data": "is null; a list needed"}),
        (
            {"inputs": [TENSOR | {"data": ["好", ["好"]]}]},
            {"inputs[0].data[1]": "is a list; a string needed"},
        ),
        (
            {"inputs": [TENSOR | {"data": [["好"], "好"]}]},
            {"inputs[0].data[1]": "is a string; a list needed"},
        ),
        ({"inputs": [], "parameters": {"task": None}}, {"parameters.task": f"is null; {ONE_OF}"}),
        ({"inputs": [], "parameters": []}, {"parameters": "is a list; an object needed"}),
        ({"inputs": [TENSOR], "outputs": [{}]}, {"outputs[0].name": "is missing; it is needed: add it"}),
        ({"inputs": []}, {"inputs.text": "is missing; it is needed: add it"}),
        ({"inputs": [TENSOR | {"data": [" "]}]}, {"inputs.text[0]": "is empty or blank"}),
        ({"inputs": [TENSOR], "parameters": {"topk": 1}}, {"parameters.topk": "is unknown"}),
        ({"inputs": [TENSOR], "parameters": {"pooling": 1}}, {"parameters.pooling": "is 1; 'cls', 'mean'"}),
    ],
)
def test_a_field_of_a_tensor_is_named_by_its_whole_path(
    client: FlaskClient, sent: dict[str, Any], said: dict[str, str]
) -> None:
    document = json.loads(client.post(INFER, json=sent).data)
    assert document["type"] == "urn:bertmesh:problem:invalid-fields"
    errors = {each["field"]: each["message"] for each in document["errors"]}
    assert set(errors) == set(said)
    assert all(errors[field].startswith(sentence) for field, sentence in said.items())


@pytest.mark.parametrize("value", [{"text": 1}, {"text": {"text": "好"}}, {"list": []}])
def test_a_name_that_is_also_a_branch_of_a_union_is_told_from_it(client: FlaskClient, value: object) -> None:
    document = problem(client.post("/feature-extraction", json={"text": value}), 422, "invalid-fields")
    assert document["errors"] == [
        {"field": "text", "message": "is an object; a string needed: put the text in quotes"}
    ]


def test_of_many_fields_at_fault_the_first_are_told_and_the_others_counted(client: FlaskClient) -> None:
    sent = {"text": "好", **{f"k{number}": 1 for number in range(50_000)}}
    document = problem(client.post("/feature-extraction", json=sent), 422, "invalid-fields")
    assert len(json_errors(document)) == MOST
    assert str(document["detail"]).endswith(f" And {50_000 - MOST:,} more.")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/feature-extraction", {"text": "好", "pooling": LONG}),
        ("/feature-extraction", {"text": "好", "pooling": [LONG]}),
        ("/feature-extraction", {"text": "好", LONG: 1}),
        ("/fill-mask", {"text": "[MASK]", "targets": [1] * 100}),
        ("/v1/embeddings", {"input": "好", "model": LONG}),
        (INFER, {"inputs": [TENSOR | {"name": LONG}]}),
        (INFER, {"inputs": [TENSOR | {"datatype": LONG}]}),
        (INFER, {"inputs": [TENSOR | {"shape": [1] * 100_000}]}),
        (INFER, {"inputs": [TENSOR | {"shape": ["1"] * 100_000}]}),
        (INFER, {"inputs": [TENSOR | {"data": [1] * 100_000}]}),
        (INFER, {"inputs": [TENSOR | {"data": [[1]] * 100_000}]}),
        (INFER, {"inputs": [TENSOR | {f"k{number}": 1 for number in range(50_000)}]}),
        (INFER, {"inputs": [{}] * 100_000}),
        (INFER, {"inputs": [TENSOR], "outputs": [{}] * 100_000}),
        (INFER, {"inputs": [TENSOR], "outputs": [{"name": LONG}]}),
        (INFER, {"inputs": [TENSOR], "parameters": {"task": LONG}}),
        (INFER, {"inputs": [TENSOR], "parameters": {LONG: 1}}),
        (INFER, {"inputs": [TENSOR], "parameters": {f"k{number}": None for number in range(50_000)}}),
    ],
)
def test_no_error_repeats_a_large_request(client: FlaskClient, path: str, sent: dict[str, Any]) -> None:
    answer = client.post(path, data=json.dumps(sent, ensure_ascii=False), content_type="application/json")
    assert answer.status_code in (404, 422)
    assert len(answer.data) < 8192
    assert json.loads(answer.data)["detail"].count("…") <= 1
    assert json.loads(answer.data)["detail"]


def json_errors(document: dict[str, object]) -> list[object]:
    errors = document["errors"]
    assert isinstance(errors, list)
    return errors

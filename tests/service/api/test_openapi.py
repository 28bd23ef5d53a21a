"""The description of the interface, generated requests that hold the pod to it, and its page."""

import re
from contextlib import suppress
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis.checks import load_all_checks

from service.api.app import wrap
from service.api.operation import TAGS, Operation
from service.api.operations import operations
from service.pod.assembly import Pod
from tests.service.api.test_app import json_of
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import running_pod

OPERATIONS = operations()
load_all_checks()
# Texts without a mask, pairs of unlike length, other models' names: right by the schema, and refused.
REFUSALS: Any = [check for check in schemathesis.checks.CHECKS.get_all() if "positive_data" in check.__name__]
BUDGET = settings(max_examples=6, suppress_health_check=list(HealthCheck))
TWICE_AS_MANY = settings(BUDGET, max_examples=12)


@pytest.fixture(scope="module")
def app(pod: Pod) -> Flask:
    return wrap(pod)


@pytest.fixture(scope="module")
def described(app: Flask) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


Case = schemathesis.Case[Any]


def generous(case: Case) -> Case:
    """Lengthen a right deadline that may be too short an hour for this machine."""
    sent = str(dict(case.headers or {}).get("X-Request-Timeout-Ms", ""))
    if re.fullmatch("[0-9]{1,3}", sent):
        case.headers["X-Request-Timeout-Ms"] = "60000"
    return case


def hold(
    described: schemathesis.BaseSchema,
    operation: Operation,
    mode: schemathesis.GenerationMode,
    budget: settings = BUDGET,
) -> None:
    """Send generated requests, and hold the answers to the description."""
    strategy = described[operation.path][operation.method].as_strategy(generation_mode=mode)

    @given(case=strategy)
    @budget
    def send(case: Case) -> None:
        generous(case).call_and_validate(excluded_checks=REFUSALS)

    with suppress(Unsatisfiable):  # where nothing wrong can be sent
        send()


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_whatever_is_sent_is_answered_as_described_and_never_by_a_server_error(
    described: schemathesis.BaseSchema, operation: Operation, mode: schemathesis.GenerationMode
) -> None:
    hold(described, operation, mode)


@pytest.mark.slow
def test_a_pod_that_runs_holds_to_the_description_too(tiny: Tiny, tmp_path: Path) -> None:
    with running_pod(tiny, tmp_path) as pod:
        described = schemathesis.openapi.from_url(f"{pod.url}/openapi.json")
        for operation in OPERATIONS:
            for mode in schemathesis.GenerationMode:
                hold(described, operation, mode, TWICE_AS_MANY)
        assert "Traceback" not in pod.child.log.read_text()


@pytest.mark.parametrize(
    "operation", [each for each in OPERATIONS if each.example], ids=lambda each: each.name
)
def test_every_example_works_and_its_answer_is_as_described(
    client: FlaskClient, operation: Operation
) -> None:
    body = {name: "tiny" if name == "model" else value for name, value in operation.example.items()}
    path = operation.path.format(name="tiny", version=json_of(client.get("/version"))["version"])
    response = client.post(path, json=body)
    assert response.status_code == 200
    Draft202012Validator(operation.answer.model_json_schema()).validate(response.json)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.name)
def test_every_path_tells_its_methods_and_refuses_others(client: FlaskClient, operation: Operation) -> None:
    heads = ["HEAD"] if operation.method == "GET" else []
    allowed = ", ".join(sorted([operation.method, *heads, "OPTIONS"]))
    told, refused = client.options(operation.path), client.delete(operation.path)
    assert (told.status_code, told.headers["Allow"], told.data) == (200, allowed, b"")
    assert "Content-Type" not in told.headers
    assert (refused.status_code, refused.headers["Allow"]) == (405, allowed)


def test_a_head_has_no_body(client: FlaskClient) -> None:
    head, got = client.head("/v2"), client.get("/v2")
    assert (head.data, head.headers["Content-Length"]) == (b"", got.headers["Content-Length"])


def test_operations_have_names_of_their_own() -> None:
    assert len({each.name for each in OPERATIONS}) == len(OPERATIONS)


class Links(HTMLParser):
    """What a page loads, and the forms in it."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.forms: list[tuple[str, str]] = []
        self.inline = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("link", "script", "img"):
            self.loaded.append(found.get("href") or found.get("src") or "")
        if tag == "form":
            self.forms.append((found["data-method"] or "", found["data-path"] or ""))
        self.inline += "style" in found or any(name.startswith("on") for name in found)


def test_the_page_has_a_form_for_each_operation_and_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    response = client.get("/docs")
    links = Links()
    links.feed(response.text)
    assert links.forms == [(each.method, each.path) for each in OPERATIONS]
    assert links.loaded == ["/docs/docs.css", "/docs/docs.js"]
    assert links.inline == 0
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    for path in links.loaded:
        served = client.get(path)
        assert served.status_code == 200
        assert "http" not in served.text
    assert all(said in unescape(response.text) for said in TAGS.values())
    assert client.get("/docs/docs.html/../../app.py").status_code == 404

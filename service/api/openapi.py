"""The OpenAPI 3.1 description, made from the table of operations and the models of bodies. No I/O."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.api.documents import Problem
from service.api.operation import TAGS, Operation
from service.batching.deadline import HEADER, MAX_MS

REFERENCE = "#/components/schemas/{model}"
_DESCRIPTION = """\
A pod answers questions about Chinese text with a BERT model.

Every answer carries `x-request-id` (yours, if it sends one), `x-model-version`, and `traceparent` where
the request is traced; answers of the tasks also `x-bertmesh-cache`. Every failure is a problem document
(RFC 9457).
"""


def describe(version: str, operations: Sequence[Operation]) -> dict[str, Any]:
    """Return the description of ``operations`` for a server of this version."""
    schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "bertmesh pod", "version": version, "description": _DESCRIPTION},
        "tags": [{"name": name, "description": said} for name, said in TAGS.items()],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schemas(operations: Sequence[Operation]) -> Mapping[str, Any]:
    """Return every model's schema by its name: requests as they are validated, answers as they are sent."""
    requests = {operation.request for operation in operations if operation.request}
    answers = {operation.answer for operation in operations} | {Problem}
    models = sorted(requests | answers, key=lambda model: model.__name__)
    _, document = models_json_schema([(model, "validation") for model in models], ref_template=REFERENCE)
    schemas: Mapping[str, Any] = document["$defs"]
    return schemas


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*_in_path(operation), *([_TIMEOUT] if operation.timed else [])],
        "responses": {
            "200": _answer(operation),
            **{str(status): _problem(status) for status in operation.problems},
        },
    }
    if operation.request:
        body: dict[str, Any] = {"schema": _reference(operation.request)}
        if operation.example:
            body["example"] = operation.example
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": body},
        }
    return described


def _answer(operation: Operation) -> dict[str, Any]:
    one: dict[str, Any] = _reference(operation.answer)
    schema = one if operation.media == "application/json" else {"type": "string"}
    return {"description": "The answer.", "content": {operation.media: {"schema": schema}}}


def _problem(status: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": _reference(Problem)}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _in_path(operation: Operation) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", operation.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


_TIMEOUT = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "After so many milliseconds nobody waits any more: 408, and no work is done.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_MS},
}

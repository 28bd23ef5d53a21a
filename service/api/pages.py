"""The OpenAPI description and the page to try it; both work without internet."""

from functools import cache
from itertools import groupby
from pathlib import Path

import orjson
from flask import Blueprint, Response, render_template, send_from_directory

from service.api.oip import server_metadata
from service.api.openapi import describe
from service.api.operations import OPERATIONS, TAGS, Operation

WEB = Path(__file__).with_name("web")
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'none'"
"""The page loads nothing from elsewhere, and runs no script that is not its own."""


def pages() -> Blueprint:
    """Return the endpoints."""
    blueprint = Blueprint("pages", __name__, template_folder="web")

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        """Return the description in OpenAPI 3.1."""
        return Response(_description(), content_type="application/json")

    @blueprint.get("/docs")
    def docs() -> Response:
        """Return a page that lists the operations and tries them."""
        page = render_template("docs.html", groups=_groups(), version=server_metadata()["version"])
        return Response(page, headers={"Content-Security-Policy": _POLICY})

    @blueprint.get("/docs/<name>")
    def file(name: str) -> Response:
        """Return the page's style or script."""
        return send_from_directory(WEB, name)

    return blueprint


@cache
def _description() -> bytes:
    return orjson.dumps(describe(str(server_metadata()["version"])))


def _groups() -> list[tuple[str, str, list[dict[str, object]]]]:
    """Return the operations by tag, in the order of the table, with what the page shows of each."""
    grouped = groupby(OPERATIONS, key=lambda operation: operation.tag)
    return [(tag, TAGS[tag], [_shown(operation) for operation in members]) for tag, members in grouped]


def _shown(operation: Operation) -> dict[str, object]:
    body = orjson.dumps(dict(operation.example), option=orjson.OPT_INDENT_2).decode()
    fields = operation.request.model_fields if operation.request else {}
    return {
        "operation": operation,
        "body": body if operation.request else "",
        "names": [part[1:-1] for part in operation.path.split("/") if part.startswith("{")],
        "fields": [(name, each.description or "", each.is_required()) for name, each in fields.items()],
    }

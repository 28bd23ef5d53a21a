"""The OpenAPI description and the page to try it; both work without internet."""

from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path

import orjson
from jinja2 import Environment, FileSystemLoader
from werkzeug.utils import send_from_directory

from service.api.oip import server_metadata
from service.api.openapi import describe
from service.api.operation import TAGS, Operation
from service.http.router import Call, Reply, Route

WEB = Path(__file__).with_name("web")
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'none'"
"""The page loads nothing from elsewhere, and runs no script that is not its own."""


class Pages:
    """The pages about a table of operations."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._version = str(server_metadata()["version"])
        self._templates = Environment(loader=FileSystemLoader(WEB), autoescape=True)

    @property
    def routes(self) -> tuple[Route, ...]:
        """Their own routes, which describe themselves to nobody."""
        return (
            Route("GET", "/openapi.json", lambda _call: Reply(self._description)),
            Route("GET", "/docs", self._docs),
            Route("GET", "/docs/{name}", _file),
        )

    @cached_property
    def _description(self) -> bytes:
        return orjson.dumps(describe(self._version, self._operations))

    def _docs(self, _call: Call) -> Reply:
        """Return a page that lists the operations and tries them."""
        grouped = groupby(self._operations, key=lambda operation: operation.tag)
        groups = [(tag, TAGS[tag], [_shown(each) for each in members]) for tag, members in grouped]
        page = self._templates.get_template("docs.html").render(groups=groups, version=self._version)
        return Reply(page.encode(), "text/html; charset=utf-8", headers={"Content-Security-Policy": _POLICY})


def _file(call: Call) -> Reply:
    """Return the page's style or script."""
    response = send_from_directory(WEB, call.parts["name"], call.environ)
    response.direct_passthrough = False
    body, headers = response.get_data(), dict(response.headers)
    headers.pop("Content-Length", None)  # as long as it is
    return Reply(body, headers.pop("Content-Type", ""), response.status_code, headers)


def _shown(operation: Operation) -> dict[str, object]:
    """Return what the page shows of an operation."""
    body = orjson.dumps(dict(operation.example), option=orjson.OPT_INDENT_2).decode()
    fields = operation.request.model_fields if operation.request else {}
    return {
        "operation": operation,
        "body": body if operation.request else "",
        "names": [part[1:-1] for part in operation.path.split("/") if part.startswith("{")],
        "fields": [(name, each.description or "", each.is_required()) for name, each in fields.items()],
    }

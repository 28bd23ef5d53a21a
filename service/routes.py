"""The endpoints that answer questions: HTTP in and out only."""

from collections.abc import Callable
from datetime import UTC, datetime

import orjson
from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected

from service.errors import BodyTooSlow, WrongContentType
from service.predict import Outcome, Predictor
from service.schema import REQUESTS, Request
from service.surround import current


def predictions() -> Blueprint:
    """Return the endpoints, one a task, under the tasks' names."""
    blueprint = Blueprint("predictions", __name__)
    for name, schema in REQUESTS.items():
        blueprint.add_url_rule(f"/{name}", name, _endpoint(name, schema), methods=["POST"])
    return blueprint


def _endpoint(name: str, schema: type[Request]) -> Callable[[], Response]:
    def endpoint() -> Response:
        exchange = current()
        predictor = exchange.begin(name)
        asked = schema.parse(json_body())
        outcome = exchange.ask(predictor, asked.task, asked.queries)
        return _answer(predictor, asked, outcome, exchange.prediction_id)

    return endpoint


def json_body() -> bytes:
    """Return the body of a request that says it is JSON.

    Raises:
        WrongContentType: It says something else.
        BodyTooSlow: It did not arrive in time, or not to its end.
    """
    kind = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or kind not in ("utf-8", "utf8"):
        raise WrongContentType(
            seen=f"a body of type {request.content_type or 'unknown'!r}",
            needed="application/json in UTF-8",
            do="send the header Content-Type: application/json",
        )
    try:
        return request.get_data(cache=False)
    except ClientDisconnected:
        raise BodyTooSlow from None


def json_response(document: object) -> Response:
    """Return JSON; arrays of float32 are written as short as they can be read back."""
    body = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, content_type="application/json")


def _answer(predictor: Predictor, asked: Request, outcome: Outcome, prediction_id: str | None) -> Response:
    document = {
        "result": outcome.answers[0] if asked.single else outcome.answers,
        "windows": outcome.windows[0] if asked.single else outcome.windows,
        "model": {"name": predictor.name, "version": predictor.version},
        "prediction_id": prediction_id,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return json_response(document)

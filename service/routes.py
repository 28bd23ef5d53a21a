"""The endpoints that answer questions: HTTP in and out only."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from flask import Blueprint, Response, request

from service.cache import CacheStatus, to_json
from service.errors import WrongContentType
from service.exchange import current
from service.pod import Pod
from service.predict import Outcome
from service.schema import REQUESTS, Request


def predictions(pod: Pod) -> Blueprint:
    """Return the endpoints, one a task, under the tasks' names."""
    blueprint = Blueprint("predictions", __name__)
    for name, schema in REQUESTS.items():
        blueprint.add_url_rule(f"/{name}", name, _endpoint(pod, name, schema), methods=["POST"])
    return blueprint


def _endpoint(pod: Pod, name: str, schema: type[Request]) -> Callable[[], Response]:
    def endpoint() -> Response:
        exchange = current()
        exchange.task = name
        exchange.cache = CacheStatus.BYPASS if pod.cache else CacheStatus.OFF
        predictor = pod.predictor
        asked = schema.parse(_body())
        outcome = predictor.predict(asked.task, asked.queries, mirrored=exchange.mirrored)
        exchange.cache = outcome.cache
        exchange.prediction_id = str(uuid4())
        return _answer(pod, asked, outcome, exchange.prediction_id)

    return endpoint


def _body() -> bytes:
    kind = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or kind not in ("utf-8", "utf8"):
        raise WrongContentType(
            seen=f"a body of type {request.content_type or 'unknown'!r}",
            needed="application/json in UTF-8",
            do="send the header Content-Type: application/json",
        )
    return request.get_data(cache=False)


def _answer(pod: Pod, asked: Request, outcome: Outcome, prediction_id: str) -> Response:
    name = pod.served.model.version.name if pod.served else ""
    document = {
        "result": outcome.answers[0] if asked.single else outcome.answers,
        "model": {"name": name, "version": pod.version},
        "prediction_id": prediction_id,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return Response(to_json(document), content_type="application/json")

"""The endpoints that answer questions: HTTP in and out only.

They stand before Flask instead of in it: its request and response objects would take a third of the
time of a cached answer. All other paths are Flask's.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from werkzeug.exceptions import MethodNotAllowed

from service.http.body import JSON, json_body, to_json
from service.http.middleware import entered, finished
from service.http.problems import MEDIA_TYPE, told
from service.pod.assembly import Pod
from service.pod.exchange import Exchange
from service.pod.predict import Outcome, Predictor
from service.tasks.request import Request
from service.tasks.table import ENDPOINTS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_METHODS = ("OPTIONS", "POST")
_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Predictions:
    """A WSGI application with one endpoint a task, under the tasks' names; ``rest`` has all other paths."""

    def __init__(self, pod: Pod, rest: "WSGIApplication") -> None:
        self._pod = pod
        self._rest = rest
        self._schemas: Mapping[str, type[Request]] = {
            f"/{name}": each.request for name, each in ENDPOINTS.items()
        }

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        path = environ["PATH_INFO"]
        schema = self._schemas.get(path)
        if schema is None:
            return self._rest(environ, start)
        with entered(self._pod, environ, path) as exchange:
            status, headers, body = _answered(exchange, schema, environ)
            headers |= finished(exchange, status)
        start(_LINES[status], [*headers.items(), ("Content-Length", str(len(body)))])
        return [] if exchange.method == "HEAD" else [body]


def _answered(
    exchange: Exchange, schema: type[Request], environ: "WSGIEnvironment"
) -> tuple[int, dict[str, str], bytes]:
    if exchange.method == "OPTIONS":
        return HTTPStatus.OK, {"Allow": ", ".join(_METHODS)}, b""
    try:
        body = _answer(exchange, schema, environ)
    except Exception as error:  # noqa: BLE001 - the client is told, and the log
        problem = told(error, exchange)
        return problem.status, {"Content-Type": MEDIA_TYPE, **problem.headers}, problem.body
    return HTTPStatus.OK, {"Content-Type": JSON}, body


def _answer(exchange: Exchange, schema: type[Request], environ: "WSGIEnvironment") -> bytes:
    if exchange.method not in _METHODS:
        raise MethodNotAllowed(_METHODS)
    predictor = exchange.begin(exchange.path[1:])
    asked = schema.parse(json_body(environ))
    outcome = exchange.ask(predictor, asked.task, asked.queries)
    return to_json(_document(predictor, asked, outcome, exchange.prediction_id))


def _document(
    predictor: Predictor, asked: Request, outcome: Outcome, prediction_id: str | None
) -> Mapping[str, object]:
    results = [answer.document() for answer in outcome.answers]
    return {
        "result": results[0] if asked.single else results,
        "windows": outcome.windows[0] if asked.single else outcome.windows,
        "model": {"name": predictor.name, "version": predictor.version},
        "prediction_id": prediction_id,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }

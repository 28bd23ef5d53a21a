"""The endpoints of the tasks: HTTP in and out only."""

from collections.abc import Mapping
from datetime import UTC, datetime

from service.api.documents import answer_to
from service.api.operation import TASKS, Operation, asked
from service.http.router import Call, Handler, Reply, json_reply
from service.pod.predict import Outcome, Predictor
from service.tasks.endpoint import Endpoint
from service.tasks.request import Request
from service.tasks.table import ENDPOINTS


def operations() -> tuple[Operation, ...]:
    """Return an operation a task, under the tasks' names."""
    return tuple(
        asked(
            f"/{each.name}",
            _handler(each),
            TASKS,
            each.summary,
            request=each.request,
            example=each.example,
            answer=answer_to(each),
        )
        for each in ENDPOINTS.values()
    )


def _handler(endpoint: Endpoint) -> Handler:
    def handle(call: Call) -> Reply:
        exchange = call.exchange
        predictor = exchange.begin(endpoint.name)
        sent = endpoint.request.parse(call.body())
        outcome = exchange.ask(predictor, sent.task, sent.queries)
        return json_reply(_document(predictor, sent, outcome, exchange.prediction_id))

    return handle


def _document(
    predictor: Predictor, sent: Request, outcome: Outcome, prediction_id: str | None
) -> Mapping[str, object]:
    results = [answer.document() for answer in outcome.answers]
    return {
        "result": results[0] if sent.single else results,
        "windows": outcome.windows[0] if sent.single else outcome.windows,
        "model": {"name": predictor.name, "version": predictor.version},
        "prediction_id": prediction_id,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }

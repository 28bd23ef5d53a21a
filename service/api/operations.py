"""The table of all that can be asked of a pod over HTTP: its routes, OpenAPI, /docs and / come from it."""

from collections.abc import Sequence

from service.api import documents, embeddings, oip, probes, tasks
from service.api.operation import PROBES, TASKS, Operation, get
from service.http.router import Call, Handler, Reply, json_reply


def operations(*, metrics: bool = True) -> tuple[Operation, ...]:
    """Return the table; metrics may be elsewhere."""
    asked = (*tasks.operations(), *embeddings.OPERATIONS, *oip.OPERATIONS)
    watched = (*probes.OPERATIONS, *((probes.METRICS,) if metrics else ()))
    index = get("/", _index([*asked, *watched]), PROBES, "What there is", documents.Anything)
    return (*asked, index, *watched)


def _index(others: Sequence[Operation]) -> Handler:
    """Return what says what there is and what to send."""
    document = {
        "service": "bertmesh pod",
        "examples": {f"{each.method} {each.path}": each.example for each in others if each.tag == TASKS},
        "GET": ["/", *(each.path for each in others if each.tag == PROBES)],
    }

    def index(_call: Call) -> Reply:
        return json_reply(document)

    return index

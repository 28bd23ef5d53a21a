"""A pod without a model, for machines that cannot start a hundred of them: only the server is as it is."""

import json
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmarks.losses.clients import RIGHT
from service.http.body import json_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ANSWER = json.dumps({"result": [{"token": RIGHT}]}).encode()
COMPUTES_S = 0.005


class Stub:
    """The application, and what the configuration of gunicorn asks of a pod."""

    def __init__(self) -> None:
        self.draining = False
        self.extensions = {"bertmesh": self}

    def drain(self) -> None:
        """Say from now on that it is not ready."""
        self.draining = True

    def close(self) -> None:
        """Do nothing."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer the one thing that there is, after a while."""
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))]
        if environ["PATH_INFO"] == "/readyz":
            start_response("503 Service Unavailable" if self.draining else "200 OK", headers)
            return [ANSWER]
        try:
            json_body(environ)
        except Exception:  # noqa: BLE001 - whatever the client did
            start_response("400 Bad Request", headers)
            return [ANSWER]
        time.sleep(COMPUTES_S)
        start_response("200 OK", headers)
        return [ANSWER]


def create_app() -> Stub:
    """Return the application."""
    return Stub()

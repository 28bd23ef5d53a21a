"""The admin port: which model is in service, and putting another in its place.

It is a port of its own, so that the gateway, which passes on whatever comes for the serving port, cannot
reach it. The port that a request came in by is the listening socket's: no header can change it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response

from service.api.probes import add_version
from service.api.repository import Swaps, model_repository
from service.http import middleware, problems
from service.http.body import json_response
from service.pod.assembly import Pod

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Doors:
    """A WSGI application that is one behind the admin port, and another behind all other ports."""

    def __init__(self, port: int, admin: "WSGIApplication", serving: "WSGIApplication") -> None:
        self._port = str(port)
        self._admin = admin
        self._serving = serving

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        app = self._admin if environ["SERVER_PORT"] == self._port else self._serving
        return app(environ, start)


def admin_app(pod: Pod, swaps: Swaps) -> Flask:
    """Return what stands behind the admin port."""
    app = Flask("admin", static_folder=None)
    middleware.install(app, pod)
    problems.install(app)
    app.register_blueprint(model_repository(swaps))
    own = Blueprint("admin", __name__)
    add_version(own, pod)

    @own.get("/")
    def index() -> Response:
        """Say what there is."""
        rules = [(each.rule, (each.methods or set()) & {"GET", "POST"}) for each in app.url_map.iter_rules()]
        paths = sorted(f"{method} {path}" for path, methods in rules for method in methods)
        return json_response({"service": "bertmesh pod, admin port", "paths": paths})

    app.register_blueprint(own)
    return app

"""The admin port: which model is in service, and putting another in its place.

It is a port of its own, so that the gateway, which passes on whatever comes for the serving port, cannot
reach it. The port that a request came in by is the listening socket's: no header can change it.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from service.api.probes import version
from service.api.repository import model_repository
from service.http.router import Call, Reply, Route, Router, json_reply, rule_of
from service.pod.assembly import Pod
from service.pod.model_folder import ModelFolder

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


def admin_app(pod: Pod, models: ModelFolder) -> Router:
    """Return what stands behind the admin port."""
    routes = (*model_repository(models), Route("GET", "/version", version))
    paths = sorted(["GET /", *(f"{each.method} {rule_of(each.path)}" for each in routes)])

    def index(_call: Call) -> Reply:
        """Say what there is."""
        return json_reply({"service": "bertmesh pod, admin port", "paths": paths})

    return Router(pod, (*routes, Route("GET", "/", index)))

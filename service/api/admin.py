"""The admin port: which model is in service, and putting another in its place.

It is a port of its own, so that the gateway, which passes on whatever comes for the serving port, cannot
reach it. The port that a request came in by is the listening socket's: no header can change it.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from service.api.probes import version
from service.api.repository import model_repository
from service.http.router import Call, Reply, Route, Router, json_reply, rule_of
from service.pod.assembly import Pod
from service.pod.model_folder import ModelFolder

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Doors:
    """A WSGI application that is another one behind each of some ports, and one behind all others."""

    def __init__(self, behind: Mapping[int, "WSGIApplication"], serving: "WSGIApplication") -> None:
        self._behind = {str(port): app for port, app in behind.items()}
        self._serving = serving

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        return self._behind.get(environ["SERVER_PORT"], self._serving)(environ, start)


def admin_app(pod: Pod, models: ModelFolder) -> Router:
    """Return what stands behind the admin port."""
    routes = (*model_repository(models), Route("GET", "/version", version))
    paths = sorted(["GET /", *(f"{each.method} {rule_of(each.path)}" for each in routes)])

    def index(_call: Call) -> Reply:
        """Say what there is."""
        return json_reply({"service": "bertmesh pod, admin port", "paths": paths})

    return Router(pod, (*routes, Route("GET", "/", index)))

"""The WSGI application: a pod with HTTP around it."""

import logging
import os
import sys
from typing import TYPE_CHECKING

from flask import Flask

from service.api import probes
from service.api.admin import Doors, admin_app
from service.api.operations import operations
from service.api.pages import Pages
from service.errors import SettingsError
from service.http.router import Router
from service.pod.assembly import Pod, build
from service.pod.model_folder import ModelFolder
from service.pod.settings import Settings, port_of
from service.pod.swap import Swapper

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

WORKER_BOOT_ERROR = 3
"""The exit code at which gunicorn gives up instead of starting the worker again."""

log = logging.getLogger(__name__)


def create_app() -> Flask:
    """Return the app for gunicorn, its model loading in the background.

    The process ends with one sentence in the log if the settings or the model are not usable.
    """
    try:
        settings = Settings.from_env(os.environ)
        pod = build(settings)
    except SettingsError as error:
        log.critical("the pod cannot start: %s", error)
        sys.exit(WORKER_BOOT_ERROR)
    # From a thread only this ends the whole process; the log is flushed line by line.
    pod.start(on_failure=lambda: os._exit(WORKER_BOOT_ERROR))
    return wrap(pod)


def wrap(pod: Pod) -> Flask:
    """Put HTTP around a pod. ``app.extensions`` has it under "bertmesh".

    Flask is the shell that servers, test clients and middleware know (``app.wsgi_app = Mine(app.wsgi_app)``);
    the router in it answers everything.
    """
    app = Flask("service", static_folder=None)
    app.extensions["bertmesh"] = pod
    settings, behind = pod.settings, dict[int, "WSGIApplication"]()
    table = operations(metrics=not settings.metrics_bind)
    serving = Router(pod, (*table, *Pages(table).routes))
    if settings.admin_bind:
        behind[port_of(settings.admin_bind)] = admin_app(pod, ModelFolder(pod, Swapper(pod)))
    if settings.metrics_bind:
        behind[port_of(settings.metrics_bind)] = Router(pod, (probes.METRICS,))
    app.wsgi_app = Doors(behind, serving) if behind else serving  # type: ignore[assignment] # Flask's own way to wrap it
    return app

"""The WSGI application: a pod with HTTP around it."""

import logging
import os
import sys

from flask import Flask

from service.api.admin import Doors, admin_app
from service.api.operations import operations
from service.api.pages import Pages
from service.errors import SettingsError
from service.http.router import Router
from service.pod.assembly import Pod, build
from service.pod.settings import Settings, port_of
from service.pod.shelf import Shelf
from service.pod.swap import Swapper

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
    table = operations()
    app.wsgi_app = Router(pod, (*table, *Pages(table).routes))  # type: ignore[assignment] # Flask's own way to wrap it
    if pod.settings.admin_bind:
        admin = admin_app(pod, Shelf(pod, Swapper(pod)))
        app.wsgi_app = Doors(port_of(pod.settings.admin_bind), admin, app.wsgi_app)  # type: ignore[assignment] # the same
    return app

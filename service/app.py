"""The WSGI application: a pod with HTTP around it."""

import logging
import os
import sys

from flask import Flask

from service import problems, surround
from service.errors import SettingsError
from service.pages import pages
from service.pod import Pod, build
from service.probes import probes
from service.protocols.embeddings import embeddings
from service.protocols.oip import oip
from service.repository import OneModel, Repository
from service.routes import Predictions
from service.settings import Settings
from service.shelf import Shelf
from service.swap import Swapper

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
    return wrap(pod, Shelf(pod, Swapper(pod)) if settings.admin else None)


def wrap(pod: Pod, repository: Repository | None = None) -> Flask:
    """Put HTTP around a pod. ``app.extensions`` has it under "bertmesh".

    ``repository`` loads and unloads models; without one the pod's first model stays.
    """
    app = Flask("service", static_folder=None)
    app.extensions["bertmesh"] = pod
    surround.install(app, pod)
    problems.install(app)
    app.register_blueprint(probes(pod))
    repository = repository or OneModel(pod)
    app.extensions["bertmesh.repository"] = repository
    app.register_blueprint(oip(pod, repository))
    app.register_blueprint(embeddings(pod))
    app.register_blueprint(pages())
    app.wsgi_app = Predictions(pod, app.wsgi_app)  # type: ignore[assignment] # Flask's own way to wrap it
    return app

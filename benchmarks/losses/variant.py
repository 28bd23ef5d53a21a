"""Gunicorn's configuration of a pod, less what ``BENCH_WITHOUT`` names.

It names methods of the pod's worker, in whose place gunicorn's own come, and hooks of the configuration; or
``everything``, which leaves gunicorn's threaded worker and plain settings.
"""

import os

from gunicorn.config import Config
from gunicorn.workers.gthread import ThreadWorker

from service.server import gunicorn_conf
from service.server.gunicorn_conf import *  # noqa: F403 - a configuration is its globals
from service.server.worker import ImpatientWorker

_without = os.environ.get("BENCH_WITHOUT", "").split()
if "everything" in _without:
    worker_class: object = ThreadWorker
    _without = ["drain", "pre_request"]
else:
    _own = {name: getattr(ThreadWorker, name) for name in _without if hasattr(ThreadWorker, name)}
    worker_class = type("Worker", (ImpatientWorker,), _own)
if "pre_request" in _without and hasattr(gunicorn_conf, "pre_request"):
    pre_request = Config().pre_request
if "BENCH_STUB" in os.environ:

    def post_fork(_arbiter: object, _worker: object) -> None:
        """Load no model."""


if "drain" in _without:

    def post_worker_init(_worker: object) -> None:
        """End on SIGTERM as gunicorn does."""

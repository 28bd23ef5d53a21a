"""Gunicorn's configuration: one worker with threads, and an end that loses no request.

Read by ``gunicorn -c python:service.server.gunicorn_conf``; the names are gunicorn's.
"""

import gc
import logging
import os
import resource
import signal
import sys
import time
import weakref
from threading import Thread
from typing import Any

from gunicorn.glogging import Logger

from modelstore import ModelStoreError
from observability import logs
from service.errors import SettingsError
from service.models.early import begin
from service.models.load import find
from service.models.memory import share_one_heap
from service.pod.settings import Settings

_WORKER_BOOT_ERROR = 3
"""The exit code at which gunicorn gives up instead of starting the worker again."""
_OTHER_FILES = 128
"""What is open beside connections of clients: the model's files, Redis, gRPC."""
_RELOADS = (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)
"""What gunicorn starts a second worker on, or a second master, or ends the only worker."""


class _Log(Logger):  # type: ignore[misc] # gunicorn has no types
    # Gunicorn says yes wherever the log has a configuration, and makes lines ready that go nowhere.
    access_log_enabled = False


def _files(wanted: int) -> int:
    """Let the pod open so many files if it may; return how many it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = max(soft, min(wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


share_one_heap()
# Before torch is loaded, whose threads wait for one another by spinning: so long that an answer beside a busy
# process took seventeen times as long as now at the worst. Alone it makes no difference.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
try:
    _settings = Settings.from_env(os.environ)
except SettingsError as error:
    sys.exit(f"the pod cannot start: {error}")

bind = [each for each in (_settings.bind, _settings.admin_bind, _settings.metrics_bind) if each]
# One process a pod: metrics, queue and a swap of models then need no cross-process tricks.
workers = 1
worker_class = "service.server.worker.Worker"
logger_class = _Log
# More than the queue takes, so that a full queue is answered with 429 instead of silence.
threads = _settings.limits.queue_items + 64
worker_connections = threads + 1024
# Gunicorn's worker dies where no more files may be open, and any stranger can bring that about.
worker_connections = max(1, min(worker_connections, _files(worker_connections + _OTHER_FILES) - _OTHER_FILES))
# Longer than Envoy keeps an idle connection (30 s), so that Envoy is the one to close it.
keepalive = 75
graceful_timeout = _settings.grace_s
timeout = 60
preload_app = False
control_socket_disable = True
# No header may say where the application begins: gunicorn takes SCRIPT_NAME from every peer on the loopback.
forwarder_headers = ""
proc_name = f"bertmesh-pod {_settings.pod}"
logconfig_dict = logs.config(_settings.log_level, {"pod": _settings.pod})


# What is imported stays: looking for garbage in it costs a tenth of the start.
gc.disable()


def on_starting(_arbiter: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Check the model's files before the port is open, so that the reason is the log's last line."""
    try:
        find(_settings.model, _settings.source)
    except ModelStoreError as error:
        sys.exit(f"the pod cannot start: {error}")


def when_ready(_arbiter: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Leave signals alone that would make a second worker, which has no port for gRPC and ends the pod."""
    _ignore_reloads()


def post_fork(_arbiter: Any, _worker: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Begin to load the model; the app is imported meanwhile, and waits for it."""
    begin(_settings.source)


def post_worker_init(worker: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Open the gRPC port where one is set, and be ready to drain on SIGTERM.

    Draining is to say not ready, keep answering for a while, then let gunicorn end.
    """
    gc.freeze()
    gc.enable()
    _ignore_reloads()
    if _settings.grpc_bind:
        _serve_grpc(worker.wsgi.extensions, _settings.grpc_bind)

    def end(number: int, frame: object) -> None:
        worker.wsgi.extensions["bertmesh"].drain()
        time.sleep(_settings.drain_s)
        if server := worker.wsgi.extensions.get("bertmesh.grpc"):
            server.stop()
        worker.handle_exit(number, frame)

    # On a thread: a signal handler must neither write to the log nor wait.
    signal.signal(signal.SIGTERM, lambda *signalled: Thread(target=end, args=signalled, daemon=True).start())
    signal.siginterrupt(signal.SIGTERM, False)  # noqa: FBT003 - positional only


def pre_request(worker: Any, request: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Let answers say when they are the last: a client that is not told loses its next request."""
    request.body.request = weakref.proxy(request)  # for service.http.body
    if worker.wsgi.extensions["bertmesh"].draining:
        request.force_close()


def worker_exit(_arbiter: Any, worker: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Finish gRPC's requests and the queue, and send the last spans."""
    if hasattr(worker, "wsgi"):
        if server := worker.wsgi.extensions.get("bertmesh.grpc"):
            server.stop().wait()
        worker.wsgi.extensions["bertmesh"].close()


def _ignore_reloads() -> None:
    for number in _RELOADS:
        signal.signal(number, signal.SIG_IGN)


def _serve_grpc(extensions: dict[str, Any], address: str) -> None:
    # Imported here: the library must not be there before gunicorn has forked, and most pods do without.
    from service.grpc.server import serve  # noqa: PLC0415

    try:
        extensions["bertmesh.grpc"] = serve(extensions["bertmesh"], address)
    except SettingsError as error:
        logging.getLogger("service").critical("the pod cannot start: %s", error)
        sys.exit(_WORKER_BOOT_ERROR)

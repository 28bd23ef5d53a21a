"""Pods to measure: a store of model versions, and gunicorn as it runs in service."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import urllib3

import modelstore
from benchmarks.serving.processes import running
from bertmesh.local.ports import free_port
from service.pod.settings import LOCAL_CACHE

PATIENCE_S = 120.0
OK = 200
POD = ("-c", "python:service.server.gunicorn_conf", "service.api.app:create_app()")
ZH_SMALL = Path(__file__).parent.parent / "models" / "zh-small" / "1.0"


def end_on_sigterm() -> None:
    """Make a SIGTERM end the program as an error does, so that the servers it started end with it."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))


def write_versions(root: Path, name: str, source: Path, versions: tuple[str, ...]) -> dict[str, str]:
    """Put a complete model folder into a store under several versions; return their digests."""
    digests = {}
    for version in versions:
        folder = root / name / version
        linked_tree(source, folder, but=("manifest.json",))
        digests[version] = modelstore.write_manifest(folder, name=name, version=version).digest
    return digests


def linked_tree(source: Path, target: Path, but: tuple[str, ...] = ()) -> None:
    """Make a copy of a folder that takes no room where that can be."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*but), copy_function=_linked)


def _linked(source: str, target: str) -> None:
    """Link a file, or copy it to another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@contextmanager
def gunicorn(words: tuple[str, ...], env: Mapping[str, str], log: Path) -> Iterator[int]:
    """Run gunicorn until the block ends; yield its port once it is ready."""
    port = free_port()
    bind = f"127.0.0.1:{port}"
    told = {
        "BERTMESH_BIND": bind,
        "GUNICORN_CMD_ARGS": f"--bind {bind}",
        "BERTMESH_LOG_LEVEL": "WARNING",
        LOCAL_CACHE: "0",  # most benchmarks send the same again and again, and measure what is computed
    }
    if words == POD:
        del told["GUNICORN_CMD_ARGS"]  # it binds what its settings say
    with running([sys.executable, "-m", "gunicorn", *words], {**told, **env}, log):
        _await(f"http://{bind}/readyz", log)
        yield port


def _await(url: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(urllib3.exceptions.HTTPError):
            if urllib3.request("GET", url, retries=False, timeout=1).status == OK:
                return
        time.sleep(0.05)
    sys.exit(f"no server came up; its log: {log.read_text()[-2000:]}")

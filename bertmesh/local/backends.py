"""Commands and readiness of the processes beside Envoy and the pods."""

import socket
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from bertmesh.local.home import Home, MeshInfo
from bertmesh.local.ports import LOOPBACK
from bertmesh.local.processes import Command

HTTP_OK = 200
PROBE_TIMEOUT_S = 0.5
REDIS_MEMORY = "128mb"
METRICS_WINDOW = {"BERTMESH_METRICS_WINDOW": "15"}
"""At a scrape a second, 15 s of samples are plenty."""


def redis_command(binary: Path, home: Home, info: MeshInfo) -> Command:
    """Return the command of a Redis that keeps nothing on disk and evicts only keys with a TTL."""
    home.redis.mkdir(parents=True, exist_ok=True)
    options = {
        "--bind": LOOPBACK,
        "--port": str(urlsplit(info.redis).port),
        "--dir": str(home.redis),
        "--save": "",
        "--maxmemory": REDIS_MEMORY,
        "--maxmemory-policy": "volatile-lfu",
        # A process title is written over the environment, and with it over the mark of this home.
        "--set-proc-title": "no",
    }
    return Command([str(binary), *(word for pair in options.items() for word in pair)], {})


def prometheus_command(binary: Path, home: Home, info: MeshInfo) -> Command:
    """Return the command of a Prometheus that keeps two hours of data in the home."""
    words = [
        str(binary),
        f"--config.file={home.prometheus / 'prometheus.yml'}",
        f"--storage.tsdb.path={home.prometheus / 'data'}",
        "--storage.tsdb.retention.time=2h",
        f"--web.listen-address={urlsplit(info.prometheus).netloc}",
        "--log.level=warn",
    ]
    return Command(words, {})


def controller_command(home: Home) -> Command:
    """Return the command of the canary controller."""
    words = [sys.executable, "-m", "bertmesh", "controller", "--home", str(home.root)]
    return Command(words, METRICS_WINDOW)


def console_command(home: Home, info: MeshInfo) -> Command:
    """Return the command of the rollout console."""
    port = str(urlsplit(info.console).port)
    words = [sys.executable, "-m", "bertmesh", "console", "--home", str(home.root), "--port", port]
    return Command(words, METRICS_WINDOW)


def answers_http(url: str) -> bool:
    """Tell whether ``url`` answers 200."""
    with suppress(urllib3.exceptions.HTTPError):
        return urllib3.request("GET", url, timeout=PROBE_TIMEOUT_S, retries=False).status == HTTP_OK
    return False


def answers_redis(info: MeshInfo) -> bool:
    """Tell whether Redis answers PING."""
    address = (LOOPBACK, urlsplit(info.redis).port)
    with suppress(OSError), socket.create_connection(address, timeout=PROBE_TIMEOUT_S) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False

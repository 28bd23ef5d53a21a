"""Child processes of tests: started on free ports, waited for, and surely ended."""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest
import redis
import urllib3

from bertmesh.local.ports import free_port
from bertmesh.local.processes import Child, Command
from mesh.errors import BinaryMissing
from mesh.local.binaries import fetch_prometheus, find_redis
from mesh.local.files import write_yaml
from mesh.local.settings import Settings
from tests.support.process_group import bound

LIMIT_S: Final = 900.0
"""How long a test waits for something, a whole rollout included: only what hangs takes longer."""
HTTP_OK = 200


def answers(url: str) -> Callable[[], bool]:
    """Return a probe that is true once ``url`` answers 200."""

    def probe() -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            return urllib3.request("GET", url, timeout=1, retries=False).status == HTTP_OK
        return False

    return probe


def pings(url: str) -> Callable[[], bool]:
    """Return a probe that is true once the Redis at ``url`` answers."""

    def probe() -> bool:
        with suppress(redis.exceptions.RedisError), redis.Redis.from_url(url) as client:
            return bool(client.ping())
        return False

    return probe


def wait_until(true: Callable[[], object], what: str | Callable[[], str] = "what it waits for") -> None:
    """Poll until ``true()``; fail the test, in the words of ``what``, if that never comes."""
    deadline = time.monotonic() + LIMIT_S
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"after {LIMIT_S:g} s still not: {what() if callable(what) else what}")
        time.sleep(0.02)


@contextmanager
def running(
    name: str,
    words: Sequence[str],
    *,
    folder: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """Run a program until the block ends; its log is ``folder/<name>.log``."""
    log = folder / f"{name}.log"
    child = Child(name, Command(words, environment or {}), home=folder, log=log)
    try:
        # A test run that is killed must not leave its servers behind.
        with bound(child.pid):
            _await(child, ready)
            yield child
    finally:
        child.kill()


def _await(child: Child, ready: Callable[[], bool]) -> None:
    def up() -> bool:
        if child.exit_code() is not None:
            pytest.fail(f"{child.name} ended with {child.exit_code()}:\n{child.log.read_text()[-3000:]}")
        return ready()

    wait_until(up, f"{child.name} is ready")


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis that keeps nothing; yield its URL."""
    port = free_port()
    words = [str(find_redis(_settings())), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    folder.mkdir(parents=True, exist_ok=True)
    url = f"redis://127.0.0.1:{port}/0"
    with running("redis", [*words, "--dir", str(folder)], folder=folder, ready=pings(url)):
        yield url


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str, child: Child) -> None:
        self.url = url
        self.child = child

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the samples of an instant query as pairs of labels and value."""
        answer = urllib3.request("GET", f"{self.url}/api/v1/query", fields={"query": expression}).json()
        assert answer["status"] == "success", answer
        return [(sample["metric"], float(sample["value"][1])) for sample in answer["data"]["result"]]


@contextmanager
def prometheus_server(
    folder: Path, configuration: Mapping[str, object], port: int | None = None, *, host: str = "127.0.0.1"
) -> Iterator[Prometheus]:
    """Run a Prometheus on a configuration; its data are in ``folder`` and go with it."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    write_yaml(folder / "prometheus.yml", configuration)
    words = [
        str(prometheus_binary()),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={host}:{port}",
        "--log.level=warn",
    ]
    url = f"http://{host}:{port}"
    try:
        with running("prometheus", words, folder=folder, ready=answers(f"{url}/-/ready")) as child:
            yield Prometheus(url, child)
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder / "data")


def prometheus_binary() -> Path:
    """Return Prometheus' binary, fetched if need be; fail the test with its sentence if it cannot be had."""
    try:
        return fetch_prometheus(_settings())
    except BinaryMissing as error:
        pytest.fail(str(error))


def _settings() -> Settings:
    return Settings.from_environment(os.environ)

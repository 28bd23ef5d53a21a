"""Redis as a bad neighbour: it trickles, reads nothing, breaks off, or its name is not to be found."""

import re
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import redis

from bertmesh.local.ports import free_port
from service.cache.connections import Redis
from service.cache.redis_url import redis_at
from service.errors import StoreDown
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import real_redis, redis_url, running_pod
from tests.support.processes import LIMIT_S, redis_server, wait_until

TIMEOUT_S = 0.02
PATIENT_S = 60.0


@contextmanager
def speaking(speak: Callable[[socket.socket], bool]) -> Iterator[tuple[Redis, Callable[[], bool]]]:
    """Run a server for one connection; yield what asks it, and what ``speak`` returned."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as threads:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def serve() -> bool:
            connection, _ = server.accept()
            with connection:
                return speak(connection)

        spoken = threads.submit(serve)
        pool = redis_at(redis_url(server.getsockname()[1]), TIMEOUT_S)
        yield pool, lambda: spoken.result(timeout=LIMIT_S)


def pace() -> None:
    """Be slow, as a server is that is no good; the pod's limit is many times that."""
    time.sleep(0.002)


def test_an_answer_that_trickles_is_given_up() -> None:
    def trickle(connection: socket.socket) -> bool:
        """Tell whether the other side hung up before all was said."""
        connection.recv(1000)
        connection.sendall(b"*1\r\n$3000\r\n")
        with suppress(OSError):
            for _ in range(3000):
                connection.sendall(b"x")
                pace()
            return False
        return True

    with speaking(trickle) as (pool, hung_up):
        with pytest.raises(StoreDown, match="Redis has not answered to the end within 20 ms"):
            connected_ask(pool, "GET", "a")
        assert hung_up()


def test_a_request_that_is_taken_bit_by_bit_is_given_up() -> None:
    size = 64 << 20

    def sip(connection: socket.socket) -> bool:
        """Tell whether the other side hung up before all was read."""
        read = 0
        with suppress(ConnectionError):
            while part := connection.recv(1000):
                read += len(part)
                pace()
        return read < size

    with speaking(sip) as (pool, hung_up):
        with pytest.raises(StoreDown, match="Redis has not taken what was sent within 20 ms"):
            connected_ask(pool, "SET", "a", bytes(size))
        assert hung_up()


def connected_ask(pool: Redis, *command: str | bytes) -> None:
    """Ask once there is a connection, which on a busy machine takes longer than the limit."""
    while True:
        try:
            pool.ask(command)
        except StoreDown as error:
            if "no connection to Redis" not in str(error):
                raise


class Resolver:
    """A resolver that answers when it is told to, with a dead address and that of a server."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self.answers = Event()
        self.asked = 0
        self._addresses = addresses

    def __call__(self, host: str, *_: object, **_how: object) -> list[tuple[Any, ...]]:
        assert host == "cache"
        self.asked += 1
        assert self.answers.wait(LIMIT_S)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in self._addresses]


def test_a_slow_resolver_keeps_no_request_and_is_asked_once_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    pool = redis_at("redis://cache", 0.005)
    for _ in range(5):
        with pytest.raises(StoreDown, match="no connection to Redis within 5 ms"):
            pool.ask(("GET", "a"))
    assert resolver.asked == 1
    resolver.answers.set()


def test_a_name_that_could_be_none_is_down_and_no_failure() -> None:
    with pytest.raises(StoreDown, match="label"):
        redis_at(f"redis://{'a' * 70}", PATIENT_S).ask(("GET", "a"))


@pytest.mark.slow
def test_a_connection_that_came_too_late_serves_the_next_lookup_by_the_address_that_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_server(tmp_path) as url, socket.create_server(("127.0.0.1", 0)) as closed:
        port = int(url.removesuffix("/0").rpartition(":")[2])
        dead = closed.getsockname()
        closed.close()
        resolver = Resolver(dead, ("127.0.0.1", port))
        pool = redis_at("redis://cache", 1.0)
        with monkeypatch.context() as patched:
            patched.setattr(socket, "getaddrinfo", resolver)
            with pytest.raises(StoreDown, match="no connection to Redis"):
                pool.ask(("GET", "a"))
            resolver.answers.set()
            wait_until(lambda: _answered(pool), "the connection is there")


def _answered(pool: Redis) -> bool:
    with suppress(StoreDown):
        return pool.ask(("GET", "a")) == [None]
    return False


class Cutter:
    """Stands between a pod and Redis; on demand it passes on the beginning of an answer and breaks off."""

    def __init__(self, target: int) -> None:
        self.cut = Event()
        self.cuts = 0
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]

    def run(self, threads: ThreadPoolExecutor) -> None:
        with suppress(OSError):
            while True:
                threads.submit(self._pass_on, self._server.accept()[0])

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as server, suppress(OSError):
            while asked := client.recv(1 << 20):
                server.sendall(asked)
                answer = server.recv(1 << 20)
                if self.cut.is_set():
                    self.cuts += 1
                    client.sendall(answer[:9])
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                client.sendall(answer)


@pytest.mark.slow
def test_a_redis_that_dies_in_the_middle_of_an_answer_costs_a_pod_no_request(
    tiny: Tiny, tmp_path: Path
) -> None:
    port = free_port()
    with real_redis(tmp_path / "redis", port), ThreadPoolExecutor(64) as threads:
        cutter = Cutter(port)
        threads.submit(cutter.run, threads)
        with running_pod(tiny, tmp_path, REDIS_URL=redis_url(cutter.port)) as pod:
            wait_until(lambda: pod.fill().headers["x-bertmesh-cache"] == "hit", "the cache works")
            wanted = pod.fill().json()["result"]
            cutter.cut.set()
            during = [pod.fill() for _ in range(20)]
            assert {answer.status for answer in during} == {200}
            assert all(answer.json()["result"] == wanted for answer in during)
            assert {answer.headers["x-bertmesh-cache"] for answer in during} == {"error"}
            assert 0 < cutter.cuts < 20, "it is left alone after a few attempts"
            cutter.cut.clear()
            wait_until(lambda: pod.fill().headers["x-bertmesh-cache"] == "hit", "the cache is back")
            assert "Traceback" not in pod.child.log.read_text()
        cutter.close()


@pytest.mark.slow
@pytest.mark.parametrize("refusal", ["maxmemory", "min-replicas-to-write"])
def test_a_redis_that_takes_no_values_costs_a_pod_no_request(
    tiny: Tiny, tmp_path: Path, refusal: str
) -> None:
    """A full disk is told in the same way: every SET is refused."""
    port = free_port()
    with real_redis(tmp_path / "redis", port), running_pod(tiny, tmp_path, REDIS_URL=redis_url(port)) as pod:
        with redis.Redis.from_url(redis_url(port)) as client:
            client.config_set(refusal, 1)
        assert {pod.fill(f"好{n}[MASK]").status for n in range(20)} == {200}
        log = pod.child.log.read_text()
        assert 0 < len(re.findall(r"cache takes no writes, .*: (?:OutOfMemory|Response)Error: ", log)) < 20
        assert "cache is away" not in log
        assert "Traceback" not in log

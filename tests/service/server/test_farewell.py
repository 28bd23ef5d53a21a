"""The end of a pod, as clients see it that stay connected and know nothing of readiness."""

import json
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import FILL, Running, running_pod
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

CLIENTS = 6


@contextmanager
def connected(pod: Running) -> Iterator[HTTPConnection]:
    address = urllib.parse.urlsplit(pod.url)
    connection = HTTPConnection(str(address.hostname), address.port, timeout=20)
    try:
        connection.connect()
        yield connection
    finally:
        connection.close()


def fill(connection: HTTPConnection) -> HTTPResponse:
    connection.request("POST", "/fill-mask", json.dumps(FILL), {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response


def test_clients_that_stay_connected_and_never_look_at_readiness_lose_no_request(
    tiny: Tiny, tmp_path: Path
) -> None:
    with running_pod(tiny, tmp_path, DRAIN_S="0.5") as pod, ThreadPoolExecutor(CLIENTS) as pool:

        def work(_: int) -> Counter[object]:
            """Ask until nobody takes a connection any more; whoever is told to close connects again."""
            seen: Counter[object] = Counter()
            with connected(pod) as connection:
                while True:
                    try:
                        if connection.sock is None:
                            connection.connect()
                    except ConnectionRefusedError:
                        return seen
                    try:
                        response = fill(connection)
                        seen[response.status, response.headers["Connection"]] += 1
                    except OSError as error:
                        seen[repr(error)] += 1
                        connection.close()

        futures = [pool.submit(work, number) for number in range(CLIENTS)]
        wait_until(lambda: 'code="200"' in pod.metrics(), "requests flow")
        pod.child.terminate()
        total = sum((future.result() for future in futures), Counter[object]())
        assert set(total) == {(200, "keep-alive"), (200, "close")}
        assert pod.exit_code() == 0
        assert "Traceback" not in pod.child.log.read_text()


def test_a_connection_that_was_idle_is_answered_and_told_to_close(tiny: Tiny, tmp_path: Path) -> None:
    with running_pod(tiny, tmp_path, DRAIN_S="1") as pod, connected(pod) as used, connected(pod) as silent:
        assert fill(used).headers["Connection"] == "keep-alive"
        pod.child.terminate()
        wait_until(lambda: pod.status("/readyz") == 503, "the pod drains")
        for connection in (used, silent):
            last = fill(connection)
            assert (last.status, last.headers["Connection"]) == (200, "close")
        assert pod.exit_code() == 0


def test_a_request_is_finished_though_many_connections_ended_before_it(tiny: Tiny, tmp_path: Path) -> None:
    with running_pod(tiny, tmp_path, DRAIN_S="0", FAULT="latency=1s") as pod, ThreadPoolExecutor(1) as pool:
        for _ in range(5):
            with connected(pod) as connection:
                connection.request("GET", "/livez", headers={"Connection": "close"})
                assert connection.getresponse().status == 200
        with connected(pod) as connection:
            slow = pool.submit(fill, connection)
            wait_until(lambda: "in_flight 1.0" in pod.metrics(), "the request is in flight")
            pod.child.terminate()
            assert slow.result().status == 200
        assert pod.exit_code() == 0


def test_connections_that_say_nothing_do_not_keep_the_pod(tiny: Tiny, tmp_path: Path) -> None:
    # Gunicorn by itself would wait for the silent one for 30 s, longer than `exit_code`.
    with running_pod(tiny, tmp_path, DRAIN_S="0") as pod, connected(pod), connected(pod) as used:
        assert fill(used).status == 200
        pod.child.terminate()
        assert pod.exit_code() == 0

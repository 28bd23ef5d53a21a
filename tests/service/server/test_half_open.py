"""Clients that vanish without a goodbye: their connections stay open and silent, and keep nobody out."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest
import urllib3

from bertmesh.local.ports import free_port
from tests.service.conftest import Tiny
from tests.service.http.test_slow_clients import HEAD, THREADS, connections
from tests.service.server.test_gunicorn import WORDS, Running, environment, running_pod
from tests.support.processes import answers, running, wait_until

pytestmark = pytest.mark.slow

BODY = '{"text": "一[MASK]"}'.encode()
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
MOST = THREADS + 1024
"""Connections that a pod with these threads has at the same time."""


@pytest.fixture
def pod(tiny: Tiny, tmp_path: Path) -> Iterator[Running]:
    with running_pod(tiny, tmp_path, QUEUE_ITEMS="1", DRAIN_S="0") as pod:
        yield pod


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def newcomer(pod: Running) -> int:
    """Ask through a connection of its own; return the status."""
    with urllib3.PoolManager(retries=False, timeout=20) as pool:
        return pool.request("POST", f"{pod.url}/fill-mask", body=BODY, headers=JSON).status


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("sent", [b"", HEAD + b"Content-Length: 50\r\n\r\n{", WHOLE])
def test_many_that_vanish_at_any_point_keep_out_neither_newcomers_nor_the_end(
    pod: Running, stack: ExitStack, sent: bytes
) -> None:
    connections(pod, stack, sent, 2 * THREADS)
    answered: list[int] = []
    while len(answered) < 10:
        with suppress(urllib3.exceptions.HTTPError):  # slow ones keep the threads for their five seconds
            answered.append(newcomer(pod))
    assert set(answered) <= {200, 429}
    pod.child.terminate()
    assert pod.exit_code() == 0
    assert "Traceback" not in pod.child.log.read_text()


@pytest.mark.parametrize("sent", [b"", WHOLE], ids=["silent from the start", "silent after an answer"])
def test_more_silent_connections_than_there_may_be_keep_no_newcomer_out(
    pod: Running, stack: ExitStack, sent: bytes
) -> None:
    for _ in range(MOST + 200):
        (connection,) = connections(pod, stack, sent, 1)
        if sent:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert {newcomer(pod) for _ in range(5)} == {200}


def test_a_pod_that_may_open_few_files_parts_with_silent_connections_and_lives_on(
    tiny: Tiny, tmp_path: Path, stack: ExitStack
) -> None:
    port = free_port()
    words = ["sh", "-c", 'ulimit -n 300 && exec "$0" "$@"', *WORDS]
    env = environment(tiny, port, {"BERTMESH_QUEUE_ITEMS": "1"})
    ready = answers(f"http://127.0.0.1:{port}/readyz")
    with running("pod", words, folder=tmp_path, ready=ready, environment=env) as child:
        pod = Running(f"http://127.0.0.1:{port}", child)
        workers = psutil.Process(child.pid).children()
        held = connections(pod, stack, b"", 6 * THREADS)
        assert {newcomer(pod) for _ in range(5)} == {200}
        assert psutil.Process(child.pid).children() == workers

        def parted() -> bool:
            held[0].settimeout(0)
            with suppress(BlockingIOError):
                return held[0].recv(1) == b""
            return False

        wait_until(parted, "the one that was silent for longest is let go")


def test_a_vanished_client_that_takes_no_answer_loses_its_connection(pod: Running, stack: ExitStack) -> None:
    """A socket with a tiny window, and requests without an end: the pod's answers pile up."""
    url = urllib3.util.parse_url(pod.url)
    deaf = stack.enter_context(socket.socket())
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    deaf.connect((str(url.host), url.port or 0))
    deaf.settimeout(30)

    def ask_for_ever() -> None:
        while True:
            deaf.sendall(WHOLE)

    with pytest.raises(ConnectionError):
        ask_for_ever()
    assert newcomer(pod) == 200

"""Clients that are slow, silent or gone: they lose their connection, and nobody else notices."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import urllib3

from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import Running, running_pod
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow

THREADS = 1 + 64
HEAD = b"POST /fill-mask HTTP/1.1\r\nHost: pod\r\nContent-Type: application/json\r\n"


@pytest.fixture
def pod(tiny: Tiny, tmp_path: Path) -> Iterator[Running]:
    with running_pod(tiny, tmp_path, QUEUE_ITEMS="1") as pod:
        yield pod


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def connections(pod: Running, stack: ExitStack, sent: bytes, count: int = THREADS) -> list[socket.socket]:
    url = urllib3.util.parse_url(pod.url)
    made = []
    for _ in range(count):
        made.append(stack.enter_context(socket.create_connection((str(url.host), url.port or 0), timeout=30)))
        made[-1].sendall(sent)
    return made


def last_words(connection: socket.socket) -> bytes:
    """Return all that the pod says until it closes the connection."""
    said = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            said += part
    return said


def answers(pod: Running) -> bool:
    with suppress(urllib3.exceptions.HTTPError):
        return pod.fill().status == 200
    return False


@pytest.mark.parametrize("sent", [HEAD, b"P", HEAD + b"Content-Length: 50\r\n\r\n{"])
def test_as_many_slow_clients_as_there_are_threads_do_not_keep_the_pod(
    pod: Running, stack: ExitStack, sent: bytes
) -> None:
    slow = connections(pod, stack, sent)
    wait_until(lambda: answers(pod), "the pod answers others")
    said = [last_words(connection) for connection in slow]
    if b"Content-Length" in sent:
        assert all(words.startswith(b"HTTP/1.1 408 ") for words in said)
        assert all(b"urn:bertmesh:problem:body-too-slow" in words for words in said)
    else:
        assert set(said) == {b""}
    assert "Traceback" not in pod.child.log.read_text()


def test_clients_that_connect_and_say_nothing_cost_no_thread(pod: Running, stack: ExitStack) -> None:
    connections(pod, stack, b"", 3 * THREADS)
    assert all(answers(pod) for _ in range(5))


def test_clients_that_vanish_before_their_answer_harm_nobody(pod: Running, stack: ExitStack) -> None:
    body = '{"text": "一[MASK]"}'.encode()
    request = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    for connection in connections(pod, stack, request):
        # Closed with a reset instead of a goodbye.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()
    wait_until(lambda: answers(pod), "the pod answers others")
    wait_until(lambda: "in_flight 0.0" in pod.metrics(), "nothing is left behind")
    assert "Traceback" not in pod.child.log.read_text()


def test_a_body_that_ends_too_early_gets_a_clear_answer(pod: Running, stack: ExitStack) -> None:
    (connection,) = connections(pod, stack, HEAD + b"Content-Length: 50\r\n\r\n{", 1)
    connection.shutdown(socket.SHUT_WR)
    said = last_words(connection)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"a body that ends after 1 of 50 bytes" in said


def test_a_body_that_is_too_large_gets_its_answer_even_if_it_is_sent_to_the_end(
    pod: Running, stack: ExitStack
) -> None:
    size = (1 << 20) + 1
    request = HEAD + b"Content-Length: %d\r\n\r\n" % size + bytes(size)
    for connection in connections(pod, stack, request, 20):
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")

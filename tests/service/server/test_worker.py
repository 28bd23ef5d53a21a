import socket
from collections.abc import Iterator
from time import monotonic

import pytest

from service.server import worker
from service.server.worker import DeadlineSocket


@pytest.fixture
def ends() -> Iterator[tuple[DeadlineSocket, socket.socket]]:
    near, far = socket.socketpair()
    with DeadlineSocket(fileno=near.detach()) as impatient, far:
        yield impatient, far


def test_what_arrives_in_time_is_read(ends: tuple[DeadlineSocket, socket.socket]) -> None:
    near, far = ends
    far.sendall(b"x")
    near.read_by = monotonic() + 20
    assert near.recv(8) == b"x"
    assert near.gettimeout() is None


def test_a_client_that_dribbles_is_cut_off_in_time(ends: tuple[DeadlineSocket, socket.socket]) -> None:
    near, far = ends
    near.read_by = monotonic() + 0.05

    def dribble() -> None:
        while True:
            far.sendall(b"x")
            near.recv(1)

    with pytest.raises(ConnectionResetError):
        dribble()


def test_without_a_request_to_read_nothing_presses(ends: tuple[DeadlineSocket, socket.socket]) -> None:
    near, _far = ends
    near.settimeout(0.01)
    with pytest.raises(TimeoutError):
        near.recv(1)


def test_a_client_that_does_not_take_its_answer_is_cut_off(
    ends: tuple[DeadlineSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    near, _far = ends
    monkeypatch.setattr(worker, "LIMIT_S", 0.05)
    with pytest.raises(ConnectionResetError):
        near.sendall(bytes(16 << 20))

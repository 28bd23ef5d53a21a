"""A port at its end: who has come is accepted, who comes is let in no more."""

import socket

import pytest

from service.server.listener import turn_away


def test_who_has_come_is_accepted_and_nobody_else_comes_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as early:
            turn_away(listener)
            early.sendall(b"a request")  # of a connection that is there nothing is ignored
            with pytest.raises(TimeoutError):
                socket.create_connection(listener.getsockname(), timeout=0.5)
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(100) == b"a request"
        listener.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            listener.accept()

import socket
import sys

import pytest

from service.server.listener import turn_away

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such filters")


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_who_has_connected_is_served_and_nobody_else_gets_in(
    family: socket.AddressFamily, address: str
) -> None:
    with (
        socket.create_server((address, 0), family=family) as listener,
        socket.create_connection(listener.getsockname()[:2]) as early,
        socket.socket(family) as late,
    ):
        early.sendall(b"before")
        turn_away(listener)
        late.settimeout(0)
        late.connect_ex(listener.getsockname())
        listener.settimeout(0)
        accepted, _ = listener.accept()
        with accepted:
            early.sendall(b" and after")
            early.shutdown(socket.SHUT_WR)
            accepted.settimeout(20)
            assert accepted.makefile("rb").read() == b"before and after"
        with pytest.raises(BlockingIOError):
            listener.accept()

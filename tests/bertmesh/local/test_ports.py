"""Ports."""

import os
import socket
from pathlib import Path

import pytest

from bertmesh.errors import PortTaken
from bertmesh.local.ports import LOOPBACK, free_ports, gateway_port


def test_a_taken_port_is_refused_with_its_holder_and_what_to_do() -> None:
    with socket.socket() as holder:
        holder.bind((LOOPBACK, 0))
        holder.listen()
        port = holder.getsockname()[1]
        taken = pytest.raises(PortTaken, match=rf"port {port} is taken by process {os.getpid()} .*--port")
        with taken, gateway_port(port):
            pass


def test_two_meshes_that_start_at_once_get_different_ports_though_neither_listens_yet() -> None:
    with gateway_port(None) as one, gateway_port(None) as other:
        assert one != other
        with pytest.raises(PortTaken, match=f"port {one} is taken"), gateway_port(one):
            pass
    with gateway_port(one) as again:
        assert again == one


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20


def test_free_ports_are_none_that_an_outgoing_connection_could_take(tmp_path: Path) -> None:
    (tmp_path / "range").write_text("20000\t60999\n", encoding="ascii")
    assert all(10_000 <= port < 20_000 for port in free_ports(50, tmp_path / "range"))


@pytest.mark.parametrize("text", ["1024 65535", "", "none"])
def test_where_the_kernel_leaves_no_room_any_port_will_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "range").write_text(text, encoding="ascii")
    assert len(set(free_ports(20, tmp_path / "range"))) == 20
    assert len(set(free_ports(20, tmp_path / "absent"))) == 20

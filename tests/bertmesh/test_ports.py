"""Ports."""

import os
import socket

import pytest

from bertmesh.errors import PortTaken
from bertmesh.ports import LOOPBACK, free_ports, gateway_port


def test_a_taken_port_is_refused_with_its_holder_and_what_to_do() -> None:
    with socket.socket() as holder:
        holder.bind((LOOPBACK, 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(PortTaken, match=rf"port {port} is taken by process {os.getpid()} .*--port"):
            gateway_port(port)


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(20))) == 20

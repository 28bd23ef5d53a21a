"""Ports on the loopback address."""

import socket

import psutil

from bertmesh.errors import PortTaken

LOOPBACK = "127.0.0.1"
PREFERRED_GATEWAY_PORT = 8080


def is_free(port: int) -> bool:
    """Tell whether a server could bind ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return ``count`` different ports that are free now."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def gateway_port(wanted: int | None) -> int:
    """Return the port for the gateway: the wanted one, else 8080 if it is free, else any.

    Raises:
        PortTaken: the wanted port is in use.
    """
    if wanted is None:
        return PREFERRED_GATEWAY_PORT if is_free(PREFERRED_GATEWAY_PORT) else free_ports(1)[0]
    if not is_free(wanted):
        raise PortTaken(wanted, _holder(wanted))
    return wanted


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another process"

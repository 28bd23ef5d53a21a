"""Ports on the loopback address."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from bertmesh.errors import PortTaken

LOOPBACK = "127.0.0.1"
PREFERRED_GATEWAY_PORT = 8080
SPARE = 5
LOWEST, HIGHEST = 10_000, 65_535
ROOM = 5_000
"""So many ports there must be below the kernel's, to keep out of its way."""
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Tell whether a server could bind ``port`` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((LOOPBACK, port))
            return True
    return False


def free_port() -> int:
    """Return a port that is free now; for several at once use ``free_ports``."""
    return free_ports(1)[0]


def free_ports(count: int, range_file: Path = EPHEMERAL) -> list[int]:
    """Return ``count`` different ports that are free now.

    They lie below those that the kernel gives to outgoing connections (``range_file``): else connections
    of a server that starts first could take the port of one that starts later.
    """
    end = _first_ephemeral(range_file)
    found: set[int] = set()
    while len(found) < count:
        port = LOWEST + secrets.randbelow(end - LOWEST)
        if is_free(port):
            found.add(port)
    return list(found)


def _first_ephemeral(range_file: Path) -> int:
    """Return where outgoing connections begin; 65536 where they leave too little room below."""
    try:
        first = int(range_file.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return HIGHEST + 1
    return first if first >= LOWEST + ROOM else HIGHEST + 1


@contextmanager
def gateway_port(wanted: int | None) -> Iterator[int]:
    """Hold a port for the gateway: the wanted one, else 8080 if it is free, else any.

    Envoy listens minutes later on a slow machine, and shares a port with another Envoy without a word: a mesh
    that starts meanwhile must see that the port is taken.

    Raises:
        PortTaken: the wanted port is in use.
    """
    for port in [wanted] if wanted else [PREFERRED_GATEWAY_PORT, *free_ports(SPARE)]:
        with socket.socket(socket.AF_UNIX) as name:
            if is_free(port) and _takes(name, port):
                yield port
                return
    raise PortTaken(wanted or PREFERRED_GATEWAY_PORT, holder(wanted or PREFERRED_GATEWAY_PORT))


def _takes(name: socket.socket, port: int) -> bool:
    """Bind a name that stands for the port and that the kernel frees when its holder ends."""
    with suppress(OSError):
        name.bind(f"\0bertmesh-gateway-{port}")
        return True
    return False


def holder(port: int) -> str:
    """Return who listens on a port, as far as this user may know."""
    with suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return "another process"

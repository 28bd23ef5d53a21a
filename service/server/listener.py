"""A port that is about to close: those who knock are let in no more, those at the door still are."""

import ctypes
import socket
import struct
from contextlib import suppress
from typing import Protocol

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER, which Python does not name (asm-generic/socket.h)
_SYN, _SYN_OR_ACK, _FLAGS_AT = 0x02, 0x12, 13
# Classic BPF (linux/filter.h): code, jump if true, jump if not, operand. A listening socket's filter sees
# a packet from the TCP header on.
_DROP_SYN = (
    (0x30, 0, 0, _FLAGS_AT),  # load a byte: the flags
    (0x54, 0, 0, _SYN_OR_ACK),  # and
    (0x15, 0, 1, _SYN),  # equal? else skip one
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
)


class Listener(Protocol):
    """A listening socket."""

    def setsockopt(self, level: int, name: int, value: bytes, /) -> None:
        """Set one of the kernel's options."""
        ...


def turn_away(listener: Listener) -> None:
    """Let nobody begin to connect any more; who has begun can finish, and is to be accepted.

    Closing a port at once would reset the connections that the kernel has made and nobody has accepted yet,
    with the requests in them. A client that is turned away tries again after a second, and is refused once
    the port is closed. Where the kernel has no such filter, nothing happens.
    """
    code = b"".join(struct.pack("HBBI", *each) for each in _DROP_SYN)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(held))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)

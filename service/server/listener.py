"""A listening port that lets nobody new in, so that all who have come can be accepted before it closes."""

import ctypes
import socket
import struct
from contextlib import suppress
from typing import Final, Protocol

_ATTACH_FILTER: Final = 26  # SO_ATTACH_FILTER, which Python does not name (asm-generic/socket.h)
_SYN, _SYN_OR_ACK, _FLAGS_AT = 0x02, 0x12, 13
# Classic BPF (linux/filter.h): code, jump if true, jump if not, operand. The filter of a listening socket
# sees a packet from the TCP header on.
_DROP_SYN: Final = (
    (0x30, 0, 0, _FLAGS_AT),  # load a byte: the flags
    (0x54, 0, 0, _SYN_OR_ACK),  # and
    (0x15, 0, 1, _SYN),  # equal? else skip one
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # take all of it
)


class Listener(Protocol):
    """A listening socket, or gunicorn's wrapper of one."""

    def setsockopt(self, level: int, name: int, value: bytes, /) -> None:
        """Set one of the kernel's options."""


def turn_away(listener: Listener) -> None:
    """Ignore whoever wants to connect from now on; those who have come can still be accepted.

    Who connects between the last accept and the end of the port is reset by the kernel, with a request that
    may be on its way: on a busy machine that is long enough to happen. A client that is turned away tries
    again after a second, and is refused once the port is closed. Where the kernel has no such filter, nothing
    happens.
    """
    code = b"".join(struct.pack("HBBI", *each) for each in _DROP_SYN)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HL", len(_DROP_SYN), ctypes.addressof(held))
    with suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)

"""The cluster's DNS: answers for the names of Services, and for nothing else."""

import asyncio
import ipaddress
import struct
from collections.abc import Callable
from typing import Final, cast

NO_ERROR, NO_NAME, NOT_HERE = 0, 3, 4
RESPONSE, RECURSION_WANTED, RECURSION_OFFERED = 0x8400, 0x0100, 0x0080
A, INTERNET = 1, 1
TTL_S: Final = 5
HEADER: Final = struct.Struct("!6H")
MOST: Final = 25
"""Addresses in an answer: more would not fit the 512 bytes that every resolver takes."""

Resolve = Callable[[str], list[str] | None]


class Server(asyncio.DatagramProtocol):
    """Answers over UDP with what ``resolve`` says: addresses, or None for a name that there is not."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the way back."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a question; what is none is passed over."""
        assert self._transport is not None
        try:
            reply = answer(data, self._resolve)
        except (struct.error, IndexError, UnicodeDecodeError):
            return
        self._transport.sendto(reply, addr)


def answer(query: bytes, resolve: Resolve) -> bytes:
    """Return the reply to a query with one question.

    Raises:
        struct.error, IndexError, UnicodeDecodeError: this is no query.
    """
    number, flags, *_ = HEADER.unpack_from(query)
    name, end = _name(query, HEADER.size)
    kind, network = struct.unpack_from("!2H", query, end)
    question = query[HEADER.size : end + 4]
    found = resolve(name) if network == INTERNET else None
    code = NO_NAME if found is None else NO_ERROR
    records = [_record(address) for address in (found or ())[:MOST]] if kind == A else []
    head = RESPONSE | RECURSION_OFFERED | (flags & RECURSION_WANTED) | code
    return HEADER.pack(number, head, 1, len(records), 0, 0) + question + b"".join(records)


def _name(query: bytes, at: int) -> tuple[str, int]:
    labels = []
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels), at + 1


def _record(address: str) -> bytes:
    # The name is a pointer to the one in the question.
    data = ipaddress.IPv4Address(address).packed
    return struct.pack("!3HIH", 0xC000 | HEADER.size, A, INTERNET, TTL_S, len(data)) + data

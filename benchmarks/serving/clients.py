"""Closed-loop clients: each sends its next request when the last is answered.

Written on bare asyncio, because the clients share the cores with what they measure.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OK = 200


@dataclass(frozen=True)
class Load:
    """What came of a load: answered requests a second, and latencies in milliseconds."""

    clients: int
    rate: float
    p50: float
    p99: float
    failed: int


def median(loads: Sequence[Load]) -> Load:
    """Return the medians of several loads' numbers, and the sum of what failed."""
    rate, p50, p99 = np.median([(load.rate, load.p50, load.p99) for load in loads], axis=0).round(1)
    return Load(loads[0].clients, float(rate), float(p50), float(p99), sum(load.failed for load in loads))


def request(path: str, body: bytes) -> bytes:
    """Return the bytes of a request that keeps the connection; a GET where there is no body."""
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def run(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    """Send requests from several clients for a while; the first fifth is not counted."""
    return asyncio.run(_run(port, requests, clients, seconds))


async def _run(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> Load:
    start = time.perf_counter()
    counted_from, end = start + seconds / 5, start + seconds
    share = len(requests) // clients
    answers = await asyncio.gather(
        *(_client(port, requests[number * share : (number + 1) * share], end) for number in range(clients))
    )
    flat = [(at, ms, status) for each in answers for at, ms, status in each if at >= counted_from]
    good = np.array([ms for _, ms, status in flat if status == OK] or [float("nan")])
    p50, p99 = np.percentile(good, [50, 99])
    took = max(at for at, _, _ in flat) - counted_from
    return Load(clients, round(len(good) / took, 1), round(p50, 1), round(p99, 1), len(flat) - len(good))


async def _client(port: int, requests: Sequence[bytes], end: float) -> list[tuple[float, float, int]]:
    """Return when each answer came, after how many milliseconds, and its status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seen = []
    number = 0
    while (sent := time.perf_counter()) < end:
        writer.write(requests[number % len(requests)])
        status = await _answer(reader)
        now = time.perf_counter()
        seen.append((now, (now - sent) * 1000, status))
        number += 1
    writer.close()
    return seen


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one answer and return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    marker = b"content-length:"
    if marker in head:
        await reader.readexactly(int(head.split(marker, 1)[1].split(b"\r\n", 1)[0]))
    elif b"transfer-encoding: chunked" in head:
        while (size := int(await reader.readline(), 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readline()
    return int(head.split(b" ", 2)[1])

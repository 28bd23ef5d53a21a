"""Probes and hooks: a question put to a container, and how often it must be answered the same."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from tests.cluster.node.errors import StartFailed

Document = Mapping[str, Any]
Enter = Callable[[list[str], float], Awaitable[tuple[int, str]]]
"""Runs words inside the container for so many seconds at most; returns exit code and output."""

AGENT = "kube-probe/1.36"


@dataclass(frozen=True)
class Target:
    """Where a container is asked: its pod's address, its named ports, and a way into it."""

    address: str
    ports: Mapping[str, int]
    enter: Enter

    def port(self, wanted: int | str) -> int:
        """Return a port's number; raises StartFailed if no port has that name."""
        if isinstance(wanted, int):
            return wanted
        if wanted not in self.ports:
            message = f"no port of the container is named {wanted}"
            raise StartFailed(message)
        return self.ports[wanted]


@dataclass(frozen=True)
class Timing:
    """When a probe asks (seconds), and how many equal answers change the result."""

    delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int

    @classmethod
    def of(cls, probe: Document) -> Self:
        """Return what a probe says, or else Kubernetes' defaults."""
        return cls(
            delay_s=probe.get("initialDelaySeconds", 0),
            period_s=probe.get("periodSeconds", 10),
            timeout_s=probe.get("timeoutSeconds", 1),
            successes=probe.get("successThreshold", 1),
            failures=probe.get("failureThreshold", 3),
        )


async def watch(probe: Document, target: Target, tell: Callable[[str], None]) -> None:
    """Ask for ever; tell each result that enough answers agree on: why it failed, or an empty text."""
    timing = Timing.of(probe)
    await asyncio.sleep(timing.delay_s)
    last, count = False, 0
    while True:
        why = await ask(probe, target, timing.timeout_s)
        good = not why
        count = count + 1 if good is last else 1
        last = good
        if count >= (timing.successes if good else timing.failures):
            tell(why)
        await asyncio.sleep(timing.period_s)


async def first(probe: Document, target: Target, wanted: Callable[[str], bool] = lambda _: True) -> str:
    """Return the first result of a probe that is ``wanted``, as `watch` tells it."""
    results: asyncio.Queue[str] = asyncio.Queue()
    asking = asyncio.create_task(watch(probe, target, results.put_nowait))
    try:
        while not wanted(why := await results.get()):
            pass
    finally:
        asking.cancel()
    return why


async def ask(what: Document, target: Target, timeout_s: float) -> str:
    """Do what a probe or a hook says; return why it failed, or an empty text."""
    try:
        match what:
            case {"httpGet": request}:
                async with asyncio.timeout(timeout_s):
                    return await _get(request, target)
            case {"tcpSocket": socket}:
                async with asyncio.timeout(timeout_s):
                    await _closed(await _opened(socket, target))
            case {"exec": {"command": words}}:
                code, said = await target.enter(list(words), timeout_s)
                return f"exit code {code}: {said}" if code else ""
            case {"sleep": {"seconds": seconds}}:
                await asyncio.sleep(seconds)
            case _:
                return f"this node knows no {', '.join(what)}"
    except TimeoutError:
        return f"no answer in {timeout_s:g} s"
    except (OSError, StartFailed, asyncio.IncompleteReadError) as error:
        return str(error)
    return ""


async def _get(request: Document, target: Target) -> str:
    encrypted = None
    if request.get("scheme", "HTTP") == "HTTPS":
        encrypted = ssl.create_default_context()
        encrypted.check_hostname, encrypted.verify_mode = False, ssl.CERT_NONE
    reader, writer = await _opened(request, target, encrypted)
    try:
        headers = {
            "Host": f"{target.address}:{target.port(request['port'])}",
            "User-Agent": AGENT,
            "Accept": "*/*",
        }
        headers |= {each["name"]: each["value"] for each in request.get("httpHeaders", ())}
        lines = [
            f"GET {request.get('path', '/')} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write(("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode())
        status = (await reader.readline()).decode("latin-1").split()
        good = len(status) > 1 and status[1].isdigit() and 200 <= int(status[1]) < 400
        return "" if good else f"HTTP status {' '.join(status[1:]) or 'missing'}"
    finally:
        await _closed((reader, writer))


async def _opened(
    where: Document, target: Target, encrypted: ssl.SSLContext | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host = where.get("host") or target.address
    return await asyncio.open_connection(host, target.port(where["port"]), ssl=encrypted)


async def _closed(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    connection[1].close()
    with suppress(OSError):
        await connection[1].wait_closed()

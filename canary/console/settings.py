"""What the environment says to the console; read once, at the edge."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from canary.console.errors import ConsoleError

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
HEADER: Final = re.compile(r"[A-Za-z0-9-]+")
TRACE: Final = re.compile(r"[0-9a-f]{16,32}")
PLACE: Final = "{trace_id}"


class BadSetting(ConsoleError):
    """A setting that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """Under which names the console answers, and how it knows who is there.

    ``hosts`` are names beside the loopback ones. ``identity_header`` is the header in which a gateway in
    front of the console names the user; it must be one that the gateway overwrites. Empty: nobody is known
    by name, and the audit entry says ``nobody``. ``poll_s`` is how often an open page looks for news.
    ``beginning`` is the command that gives the page something to show. ``trace_url`` is where a trace is
    shown, with {trace_id} in it; empty: traces are named, not linked.
    """

    hosts: tuple[str, ...] = ()
    identity_header: str = ""
    nobody: str = "console"
    poll_s: float = 1.5
    trace_url: str = ""
    beginning: str = "bertmesh up"

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """All names that the console answers to."""
        return (*LOOPBACK_NAMES, *self.hosts)

    def trace_link(self, trace_id: str) -> str:
        """Return where a trace is shown, "" if nowhere."""
        if not self.trace_url or not TRACE.fullmatch(trace_id):
            return ""
        return self.trace_url.replace(PLACE, trace_id)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read BERTMESH_CONSOLE_HOSTS (names with commas between), _IDENTITY_HEADER and _TRACE_URL.

        Raises:
            BadSetting: the header is no header name, or the address none of a trace.
        """
        header = environment.get("BERTMESH_CONSOLE_IDENTITY_HEADER", "")
        if header and not HEADER.fullmatch(header):
            message = (
                f"BERTMESH_CONSOLE_IDENTITY_HEADER is {header!r}: give the name of one HTTP header, "
                "such as x-forwarded-user"
            )
            raise BadSetting(message)
        trace_url = environment.get("BERTMESH_CONSOLE_TRACE_URL", "")
        if trace_url and not (trace_url.startswith(("http://", "https://")) and PLACE in trace_url):
            message = (
                f"BERTMESH_CONSOLE_TRACE_URL is {trace_url!r}: give an address with {PLACE} in it, such as "
                f"http://jaeger:16686/trace/{PLACE}"
            )
            raise BadSetting(message)
        names = environment.get("BERTMESH_CONSOLE_HOSTS", "").split(",")
        return cls(
            hosts=tuple(name.strip().lower() for name in names if name.strip()),
            identity_header=header,
            trace_url=trace_url,
        )

"""The ports of a Service: which one speaks HTTP, and which one gRPC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

HTTP: Final = "http"
GRPC: Final = "grpc"
TCP: Final = "TCP"
FIELDS: Final = ("name", "port", "protocol", "targetPort", "appProtocol")
"""What a version's own Service has of a port, too; a node's port is the first Service's alone."""
PLAIN: Final[Mapping[str, Any]] = {"name": HTTP, "port": 80, "protocol": TCP, "targetPort": HTTP}
"""The port of a Service of which nothing is known; its name tells Istio the protocol."""


@dataclass(frozen=True)
class Ports:
    """Where requests go: ``http`` is a port's number, ``grpc`` that of the port for gRPC, if there is one.

    A destination that names no port is taken for the port that the request came in by, wherever the Service
    has more than one: behind a gateway with TLS that is 443, which no Service of ours has.
    """

    http: int = 80
    grpc: int | None = None
    listed: tuple[Mapping[str, Any], ...] = (PLAIN,)
    """All ports as the Service has them, for the Services of its versions."""

    @classmethod
    def of(cls, service: Mapping[str, Any]) -> Self:
        """Return the ports of a Service; of several the one for HTTP says so, else it is the first."""
        listed = [
            each for each in service.get("spec", {}).get("ports", ()) if each.get("protocol", TCP) == TCP
        ]
        if not listed:
            return cls()
        calls = [each for each in listed if _speaks(each, GRPC)]
        others = [each for each in listed if each not in calls]
        plain = [each for each in others if _speaks(each, HTTP)] or others or calls
        kept = tuple(
            {"protocol": TCP, **{name: each[name] for name in FIELDS if name in each}} for each in listed
        )
        return cls(plain[0]["port"], calls[0]["port"] if calls else None, kept)


def _speaks(port: Mapping[str, Any], protocol: str) -> bool:
    """Tell whether a port says that it speaks a protocol, as Istio reads it."""
    said = port.get("appProtocol") or port.get("name", "").partition("-")[0]
    return str(said).lower() == protocol

"""The answers that the gateway gives by itself, as problem details (RFC 9457)."""

from collections.abc import Sequence
from typing import Any, Final

from observability.names import VERSION_HEADER

CONTENT_TYPE: Final = "application/problem+json"
POD_ONLY_PATHS: Final = ("/livez", "/readyz", "/startupz", "/metrics")
"""Probes and scrapes go to the pods directly: through the gateway they would count as traffic."""

ASKED_RULE: Final = "asked"
ASKED_PATH: Final = "/bertmesh-split"
ASKED_FOR: Final = "split"
"""The rule by which a proxy says which split it holds: requests with this path, and this in ASK_HEADER."""
HOST_NAME: Final = "%HOSTNAME%"
"""Envoy puts its own host name in the place of this, which Istio lets pass in values of headers."""


def problem(status: int, title: str, detail: str, **members: object) -> dict[str, Any]:
    """Return a problem details object; ``members`` are extension members."""
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, **members}


def unknown_version(names: Sequence[str], seen: str | None = None) -> dict[str, Any]:
    """Say that a request was pinned to a version that is not there, and which are."""
    what = "no such model version" if seen is None else f"no model version '{seen}'"
    detail = f"{what}: set {VERSION_HEADER} to one of {', '.join(names)}, or leave it out"
    return problem(404, "Not Found", detail, versions=list(names))


def pod_only() -> dict[str, Any]:
    """Say that probes and metrics are not served by the gateway."""
    detail = f"{', '.join(POD_ONLY_PATHS)} are answered by the pods themselves, not through the gateway"
    return problem(404, "Not Found", detail)

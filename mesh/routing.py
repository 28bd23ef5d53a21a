"""How the routes on a cluster are shaped, beyond what holds in both homes."""

from dataclasses import dataclass
from enum import StrEnum

from mesh.errors import InvalidMesh

ISTIO_SIDECARS = "mesh"
"""Istio's name for all sidecars, among the names of gateways."""


class Style(StrEnum):
    """What is written: which kinds of objects split the traffic."""

    SUBSETS = "subsets"
    SERVICES = "services"
    GATEWAY_API = "gatewayAPI"


@dataclass(frozen=True)
class HeaderMatch:
    """A header that a request carries; ``exact`` None is any value."""

    name: str
    exact: str | None = None


@dataclass(frozen=True)
class RouteMatch:
    """Requests whose path begins with ``path_prefix`` and that carry all the headers."""

    path_prefix: str | None = None
    headers: tuple[HeaderMatch, ...] = ()


@dataclass(frozen=True)
class Routing:
    """The shape of the routes.

    ``gateways`` are names or ``namespace/name``; none means the sidecars, for which only the Istio styles
    are made. ``match`` narrows the requests that are split, one match being enough. ``cohort`` is the header
    with a user's cohort from 0 to 99. ``port`` is that of the Services that are made for versions.

    Raises:
        InvalidMesh: the Gateway API's style without a gateway.
    """

    style: Style = Style.SUBSETS
    gateways: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    match: tuple[RouteMatch, ...] = ()
    header_pin: bool = True
    cohort: str | None = None
    adopt: bool = False
    port: int = 80

    def __post_init__(self) -> None:
        if self.style is Style.GATEWAY_API and not self.gateways:
            message = "style gatewayAPI needs the Gateway that the HTTPRoute belongs to: name it in gateways"
            raise InvalidMesh(message)

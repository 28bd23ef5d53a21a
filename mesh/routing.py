"""How the routes on a cluster are shaped, beyond what holds in both homes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from mesh.errors import InvalidMesh
from mesh.lists import Listed

SIDECARS: Final = "mesh"
"""What a route is bound to for callers inside the mesh: Istio's word."""
Header = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]


class Style(StrEnum):
    """What is written: which kinds of objects split the traffic."""

    SUBSETS = "subsets"
    SERVICES = "services"
    GATEWAY_API = "gatewayAPI"


@dataclass(frozen=True)
class HeaderMatch:
    """A header that a request must carry."""

    name: Annotated[Header, Field(description="Name of the header, in lower case.")]
    exact: Annotated[
        Annotated[str, Field(max_length=256)] | None,
        Field(description="The value it must have; left out, any value will do."),
    ] = None


@dataclass(frozen=True)
class RouteMatch:
    """Which requests the rollout is about."""

    path_prefix: Annotated[
        Annotated[str, Field(max_length=256, pattern=r"^/\S*$")] | None,
        Field(description="The request's path begins with this."),
    ] = None
    headers: Annotated[
        tuple[HeaderMatch, ...],
        Listed("map", 8),
        Field(description="Headers that the request must carry, all of them."),
    ] = ()


@dataclass(frozen=True)
class Routing:
    """The shape of the routes.

    ``gateways`` are names or ``namespace/name``, or ``mesh`` for callers inside the mesh; none means those
    alone, for which only the Istio styles are made. ``match`` narrows the requests that are split, one match
    being enough. ``cohort_header`` is that with a user's cohort from 0 to 99.

    Raises:
        InvalidMesh: the Gateway API's style without a gateway.
    """

    style: Style = Style.SUBSETS
    gateways: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    match: tuple[RouteMatch, ...] = ()
    header_pin: bool = True
    cohort_header: str | None = None
    adopt: bool = False

    def __post_init__(self) -> None:
        if self.style is Style.GATEWAY_API and not self.gateways:
            message = (
                "style gatewayAPI needs what the HTTPRoute belongs to: name a Gateway, or mesh, in gateways"
            )
            raise InvalidMesh(message)

"""How requests reach the versions: the ``spec.routing`` of a ModelRollout."""

from typing import Annotated, Literal

from pydantic import Field

from canary.resource.connections import Connections
from canary.resource.fields import Duration, Header, Part, Percent, Rule, Word, listed, seconds

GatewayName = Annotated[
    str, Field(min_length=1, max_length=127, pattern=r"^([a-z0-9][a-z0-9-]*/)?[a-z0-9][a-z0-9-.]*$")
]
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^(\*|(\*\.)?[a-z0-9][a-z0-9.-]*)$")]
Retry = Literal[
    "5xx",
    "connect-failure",
    "gateway-error",
    "refused-stream",
    "reset",
    "reset-before-request",
]


class HeaderMatch(Part):
    """A header that a request must carry."""

    name: Header = Field(description="Name of the header, in lower case.")
    exact: Word | None = Field(
        default=None, description="The value it must have; left out, any value will do."
    )


class RouteMatch(Part):
    """Which requests the rollout is about."""

    RULES = (
        Rule(
            "has(self.pathPrefix) || (has(self.headers) && size(self.headers) > 0)",
            "an empty match matches nothing in particular: set pathPrefix or headers, or leave match out",
            ".pathPrefix",
            lambda self: self.path_prefix is not None or bool(self.headers),
        ),
    )
    path_prefix: Annotated[str, Field(max_length=256, pattern=r"^/\S*$")] | None = Field(
        default=None, description="The request's path begins with this."
    )
    headers: tuple[HeaderMatch, ...] = Field(
        default=(),
        max_length=8,
        description="Headers that the request must carry, all of them.",
        json_schema_extra=listed("map", "name"),
    )


class Cohort(Part):
    """Keeps each user on one version while the weight stays or grows."""

    header: Header = Field(
        description=(
            "Header that carries the user's cohort, a whole number from 0 to 99 that the gateway or the "
            "client computes from the user's id. Cohorts below the weight go to the canary."
        )
    )


class Retries(Part):
    """When a request is tried again, and how often."""

    attempts: Annotated[int, Field(ge=0, le=10)] = Field(
        default=2, description="Tries after the first; 0 is none."
    )
    per_try_timeout: Duration = Field(default="2s", description="Time for each try.")
    retry_on: tuple[Retry, ...] = Field(
        default=("connect-failure", "refused-stream", "reset"),
        max_length=6,
        description=(
            "What is tried again. `reset` is not in Istio's own list; without it a killed pod loses requests."
        ),
        json_schema_extra=listed("set"),
    )
    status_codes: tuple[Annotated[int, Field(ge=500, le=599)], ...] = Field(
        default=(503,),
        max_length=8,
        description="Answers that are tried again. Not 429: more requests make no overloaded model faster.",
        json_schema_extra=listed("set"),
    )


class Routing(Part):
    """How requests reach the versions."""

    RULES = (
        Rule(
            "self.style == oldSelf.style",
            "style cannot be changed, since the old route would be left behind: delete the ModelRollout "
            "(all traffic goes to the stable version first) and create it again",
            ".style",
        ),
        Rule(
            "self.style != 'gatewayAPI' || (has(self.gateways) && size(self.gateways) > 0)",
            "style gatewayAPI needs the Gateway that the HTTPRoute belongs to: name it in gateways",
            ".gateways",
            lambda self: self.style != "gatewayAPI" or bool(self.gateways),
        ),
        Rule(
            "!has(self.hosts) || !('*' in self.hosts)"
            " || (has(self.gateways) && size(self.gateways) > 0 && !('mesh' in self.gateways))",
            "host * is for gateways only, Istio refuses it inside the mesh: name the hosts, or name "
            "gateways other than mesh",
            ".hosts",
            lambda self: "*" not in self.hosts or (bool(self.gateways) and "mesh" not in self.gateways),
        ),
        Rule(
            "!has(self.timeout) || duration(self.timeout) >= duration(self.retries.perTryTimeout)",
            "timeout is shorter than retries.perTryTimeout, so that no try could end: raise timeout or "
            "lower retries.perTryTimeout",
            ".timeout",
            lambda self: self.timeout_holds(),
        ),
    )
    style: Literal["subsets", "services", "gatewayAPI"] = Field(
        default="subsets",
        description=(
            "What is written: `subsets` a VirtualService and a DestinationRule over one Service (sidecar "
            "mode); `services` a VirtualService over one Service per version; `gatewayAPI` an HTTPRoute "
            "over one Service per version (ambient mode and other gateways). Cannot be changed."
        ),
    )
    gateways: tuple[GatewayName, ...] = Field(
        default=(),
        max_length=8,
        description=(
            "Gateways that the route is bound to, as `name` or `namespace/name`; Istio's word `mesh` means "
            "the sidecars. Left out: the sidecars alone."
        ),
        json_schema_extra=listed("set"),
    )
    hosts: tuple[Host, ...] = Field(
        default=(),
        max_length=16,
        description="Host names that the route answers to. Left out: the Service's own name.",
        json_schema_extra=listed("set"),
    )
    match: tuple[RouteMatch, ...] = Field(
        default=(),
        max_length=8,
        description="The requests that are split, one match being enough. Left out: all of them.",
        json_schema_extra=listed("atomic"),
    )
    header_pin: bool = Field(
        default=True, description="Whether a request with the header `x-model-version` goes to that version."
    )
    cohort: Cohort | None = Field(
        default=None, description="Sticky users. Left out: each request is split by chance."
    )
    retries: Retries = Field(default_factory=Retries, description="When a request is tried again.")
    timeout: Duration | None = Field(default="5s", description="Time for a request with all its tries.")
    connections: Connections = Field(
        default_factory=Connections,
        description=(
            "Limits of the connections to each version, and when pods are ejected. They are written into "
            "DestinationRules, so the style `gatewayAPI` does without."
        ),
    )
    adopt: bool = Field(
        default=False,
        description=(
            "Whether a route of the same name that somebody else made is taken over. Routes in it that lead "
            "elsewhere are kept; the routes to this Service are replaced."
        ),
    )

    def timeout_holds(self) -> bool:
        """Return whether one try fits into the request's time."""
        return self.timeout is None or seconds(self.timeout) >= seconds(self.retries.per_try_timeout)


class Shadow(Part):
    """Copies of requests that the canary answers for comparison only."""

    percent: Percent = Field(
        default=0,
        description=(
            "Share of the requests that is copied to the canary before it gets any of its own. The first "
            "step waits until the copies prove that it answers as the stable version does."
        ),
    )
    duration: Duration = Field(
        default="2m", description="How long requests are copied before the first step, at least."
    )
    during_percent: Percent = Field(
        default=0,
        description=(
            "Share of the stable's requests that is copied to the canary while it has a weight, up to the "
            "bake."
        ),
    )

"""How requests reach the versions: the ``spec.routing`` of a ModelRollout."""

from typing import Annotated

from pydantic import Field

from canary.resource.fields import Part, Rule, unreadable
from mesh.duration import Seconds
from mesh.lists import Listed
from mesh.policy import ConnectionPool, OutlierDetection, Retries
from mesh.routing import Header, RouteMatch, Style

GatewayName = Annotated[
    str, Field(min_length=1, max_length=127, pattern=r"^([a-z0-9][a-z0-9-]*/)?[a-z0-9][a-z0-9-.]*$")
]
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^(\*|(\*\.)?[a-z0-9][a-z0-9.-]*)$")]


class RoutingSpec(Part):
    """How requests reach the versions."""

    RULES = (
        Rule(
            "!has(self.match) || "
            "self.match.all(m, has(m.pathPrefix) || has(m.headers) && size(m.headers) > 0)",
            "an empty match matches nothing in particular: set pathPrefix or headers, or leave match out",
            ".match",
            lambda self: all(match.path_prefix is not None or match.headers for match in self.match),
        ),
        Rule(
            "self.style == oldSelf.style",
            "style cannot be changed, since the old route would be left behind: delete the ModelRollout "
            "(all traffic goes to the stable version first) and create it again",
            ".style",
        ),
        Rule(
            "self.style != 'gatewayAPI' || (has(self.gateways) && size(self.gateways) > 0)",
            "style gatewayAPI needs what the HTTPRoute belongs to: name a Gateway, or mesh, in gateways",
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
            "!has(self.timeout) || !has(self.retries) || !has(self.retries.perTryTimeout) || "
            "duration(self.timeout) >= duration(self.retries.perTryTimeout)"
            + unreadable("self.timeout", "self.retries.perTryTimeout"),
            "timeout is shorter than retries.perTryTimeout, so that no try could end: raise timeout or "
            "lower retries.perTryTimeout",
            ".timeout",
            lambda self: self.timeout_s >= self.retries.per_try_timeout_s,
        ),
    )
    style: Style = Field(
        default=Style.SUBSETS,
        description=(
            "What is written: `subsets` a VirtualService and a DestinationRule over one Service (sidecar "
            "mode); `services` a VirtualService over one Service per version; `gatewayAPI` an HTTPRoute "
            "over one Service per version (ambient mode and other gateways). Cannot be changed."
        ),
    )
    gateways: Annotated[tuple[GatewayName, ...], Listed("set", 8)] = Field(
        default=(),
        description=(
            "Gateways that the route is bound to, as `name` or `namespace/name`; Istio's word `mesh` means "
            "callers inside the mesh, by their sidecars or the waypoint. Left out: those alone."
        ),
    )
    hosts: Annotated[tuple[Host, ...], Listed("set", 16)] = Field(
        default=(), description="Host names that the route answers to. Left out: the Service's own name."
    )
    match: Annotated[tuple[RouteMatch, ...], Listed("atomic", 8)] = Field(
        default=(),
        description="The requests that are split, one match being enough. Left out: all of them.",
    )
    header_pin: bool = Field(
        default=True, description="Whether a request with the header `x-model-version` goes to that version."
    )
    cohort_header: Header | None = Field(
        default=None,
        description=(
            "Sticky users, who stay on one version while the weight stays or grows: the header that carries "
            "the user's cohort, a whole number from 0 to 99 that the gateway or the client computes from the "
            "user's id. Cohorts below the weight go to the canary. Left out: each request is split by chance."
        ),
    )
    retries: Retries = Field(default=Retries(), description="When a request is tried again.")
    timeout_s: Seconds = Field(default=5.0, description="Time for a request with all its tries.")
    connection_pool: ConnectionPool = Field(
        default=ConnectionPool(),
        description=(
            "Limits of the connections to each version. They are written into DestinationRules, as are "
            "outlierDetection and warmup, so the style `gatewayAPI` does without."
        ),
    )
    outlier_detection: OutlierDetection = Field(
        default=OutlierDetection(), description="When a pod gets no requests for a while."
    )
    warmup_s: Seconds | None = Field(
        default=None,
        description="Time in which a new pod's share grows to its full size. Left out: it gets it at once.",
    )
    adopt: bool = Field(
        default=False,
        description=(
            "Whether a route of the same name that somebody else made is taken over. Routes in it that lead "
            "elsewhere are kept; the routes to this Service are replaced."
        ),
    )

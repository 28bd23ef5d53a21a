"""The policy part of the intermediate representation: what holds for every version behind the route.

`Retries`, `ConnectionPool` and `OutlierDetection` stand in a ModelRollout as they are here, named as Istio
names them; what is said of a field (`Field`) is its documentation and its bounds there.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from mesh.duration import Seconds
from mesh.errors import InvalidMesh
from mesh.lists import Listed

MAX_PERCENT = 100
Limit = Annotated[int, Field(ge=1, le=1_000_000)]
Retry = Literal[
    "5xx",
    "connect-failure",
    "gateway-error",
    "refused-stream",
    "reset",
    "reset-before-request",
]


def check_positive(owner: object, *names: str) -> None:
    """Check that these numbers of a dataclass are above zero.

    Raises:
        InvalidMesh: one is not.
    """
    for name in names:
        value = getattr(owner, name)
        if value is not None and not value > 0:
            message = f"{type(owner).__name__}.{name} must be above 0, got {value}"
            raise InvalidMesh(message)


@dataclass(frozen=True)
class Retries:
    """When a request is tried again, and how often."""

    attempts: Annotated[int, Field(ge=0, le=10, description="Tries after the first; 0 is none.")] = 2
    per_try_timeout_s: Annotated[Seconds, Field(description="Time for each try.")] = 2.0
    retry_on: Annotated[
        tuple[Retry, ...],
        Listed("set", 6),
        Field(
            description=(
                "What is tried again. `reset` is not in Istio's own list; without it a killed pod loses "
                "requests."
            )
        ),
    ] = ("connect-failure", "refused-stream", "reset")
    status_codes: Annotated[
        tuple[Annotated[int, Field(ge=500, le=599)], ...],
        Listed("set", 8),
        Field(
            description=(
                "Answers that are tried again. Not 429: more requests make no overloaded model faster."
            )
        ),
    ] = (503,)

    def __post_init__(self) -> None:
        check_positive(self, "per_try_timeout_s")
        if self.attempts < 0:
            message = f"Retries.attempts must be 0 (none) or more, got {self.attempts}"
            raise InvalidMesh(message)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What `retry_on` says, and the condition without which Envoy does not look at the status codes."""
        codes = ("retriable-status-codes",) if self.status_codes else ()
        return (*self.retry_on, *codes)


@dataclass(frozen=True)
class OutlierDetection:
    """When a pod is ejected from its version's pool."""

    consecutive_5xx_errors: Annotated[
        int,
        Field(ge=1, le=1000, description="5xx one after the other. Overload is 429 and does not count."),
    ] = 5
    interval_s: Annotated[Seconds, Field(description="Time between looks at who is to be ejected.")] = 5.0
    base_ejection_time_s: Annotated[
        Seconds, Field(description="How long the first time; longer each time after.")
    ] = 15.0
    max_ejection_percent: Annotated[
        int, Field(ge=0, le=100, description="Share of the pods that may be ejected at once.")
    ] = 50

    def __post_init__(self) -> None:
        check_positive(self, "consecutive_5xx_errors", "interval_s", "base_ejection_time_s")
        if not 0 <= self.max_ejection_percent <= MAX_PERCENT:
            message = f"OutlierDetection.max_ejection_percent is 0 to 100, got {self.max_ejection_percent}"
            raise InvalidMesh(message)


@dataclass(frozen=True)
class ConnectionPool:
    """Limits on the connections to one version."""

    max_connections: Annotated[Limit, Field(description="Connections that one proxy opens to a version.")] = (
        256
    )
    max_pending_requests: Annotated[Limit, Field(description="Requests that wait for a connection.")] = 256
    max_requests: Annotated[Limit, Field(description="Requests under way.")] = 1024
    max_retries: Annotated[
        Limit,
        Field(
            description=(
                "Requests that are being tried again. Envoy's own 3 gives up on most of what one killed pod "
                "had in hand."
            )
        ),
    ] = 1024
    connect_timeout_s: Annotated[Seconds, Field(description="Time for a new connection.")] = 1.0
    idle_timeout_s: Annotated[
        Seconds,
        Field(
            description=(
                "When an unused connection is closed. Shorter than the pods' keep-alive (75 s), so that the "
                "proxy and never the pod closes it."
            )
        ),
    ] = 30.0

    def __post_init__(self) -> None:
        check_positive(self, "max_connections", "max_pending_requests", "max_requests", "max_retries")
        check_positive(self, "connect_timeout_s", "idle_timeout_s")


@dataclass(frozen=True)
class Jwt:
    """Tokens that the gateway asks for; ``jwks`` is the inline key set as JSON text."""

    issuer: str
    audiences: tuple[str, ...]
    jwks: str


@dataclass(frozen=True)
class Policy:
    """What holds for every version behind the route."""

    timeout_s: Seconds = 5.0
    retries: Retries = field(default_factory=Retries)
    outlier_detection: OutlierDetection = field(default_factory=OutlierDetection)
    connection_pool: ConnectionPool = field(default_factory=ConnectionPool)
    rate_limit_per_s: int | None = None
    jwt: Jwt | None = None
    warmup_s: Seconds | None = None
    """How long a new pod's share grows to its full size; None gives it at once. For Istio alone."""

    def __post_init__(self) -> None:
        check_positive(self, "timeout_s", "rate_limit_per_s", "warmup_s")

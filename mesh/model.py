"""The intermediate representation: versions, weights, routes and policy.

Everything that is rendered, for Istio as for Envoy, is rendered from these values.
"""

from dataclasses import dataclass, field, replace
from typing import Self

MAX_PERCENT = 100


@dataclass(frozen=True)
class Weights:
    """How many per cent of the requests go to the canary; the rest goes to the stable."""

    canary: int

    def __post_init__(self) -> None:
        if not 0 <= self.canary <= MAX_PERCENT:
            message = f"canary weight is a percentage from 0 to 100, got {self.canary}"
            raise ValueError(message)

    @property
    def stable(self) -> int:
        """Per cent of the requests that stay with the stable version."""
        return MAX_PERCENT - self.canary


@dataclass(frozen=True)
class Split:
    """Who gets which share: a stable version, and perhaps a canary.

    ``mirror`` is the percentage of the stable's requests that are copied to the canary as shadow
    traffic; it needs a canary.
    """

    stable: str
    canary: str | None = None
    weights: Weights = Weights(0)
    mirror: int = 0

    def __post_init__(self) -> None:
        if self.canary is None and (self.weights.canary or self.mirror):
            message = f"weight {self.weights.canary} and mirror {self.mirror} need a canary version"
            raise ValueError(message)
        if self.canary == self.stable:
            message = f"stable and canary are both {self.stable!r}: name two versions"
            raise ValueError(message)
        if not 0 <= self.mirror <= MAX_PERCENT:
            message = f"mirror is a percentage from 0 to 100, got {self.mirror}"
            raise ValueError(message)

    def at(self, canary_weight: int) -> Self:
        """Return the same split with another canary weight."""
        return replace(self, weights=Weights(canary_weight))


@dataclass(frozen=True)
class Endpoint:
    """One pod's address."""

    pod: str
    host: str
    port: int


@dataclass(frozen=True)
class Version:
    """A model version and, in the local home, the pods that serve it."""

    name: str
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True)
class Retries:
    """When a request is tried again, and how often."""

    attempts: int = 2
    per_try_timeout_s: float = 2.0
    # `reset` is not in Istio's default list; without it a killed pod loses requests.
    on: tuple[str, ...] = ("connect-failure", "refused-stream", "reset", "retriable-status-codes")
    status_codes: tuple[int, ...] = (503,)


@dataclass(frozen=True)
class Outlier:
    """When a pod is ejected from its version's pool."""

    consecutive_5xx: int = 5
    interval_s: float = 5.0
    base_ejection_s: float = 15.0
    max_ejection_percent: int = 50


@dataclass(frozen=True)
class Pool:
    """Limits on the connections to one version."""

    max_connections: int = 256
    max_pending: int = 256
    connect_timeout_s: float = 1.0
    idle_timeout_s: float = 30.0


@dataclass(frozen=True)
class Jwt:
    """Tokens that the gateway asks for; ``jwks`` is the inline key set as JSON text."""

    issuer: str
    audiences: tuple[str, ...]
    jwks: str


@dataclass(frozen=True)
class Policy:
    """What holds for every version behind the route."""

    timeout_s: float = 5.0
    retries: Retries = field(default_factory=Retries)
    outlier: Outlier = field(default_factory=Outlier)
    pool: Pool = field(default_factory=Pool)
    rate_limit_per_s: int | None = None
    jwt: Jwt | None = None


@dataclass(frozen=True)
class Mesh:
    """All that a renderer needs to know."""

    service: str
    namespace: str
    versions: tuple[Version, ...]
    split: Split
    policy: Policy = field(default_factory=Policy)
    hosts: tuple[str, ...] = ("*",)
    gateway: str = "bertmesh"

    @property
    def host(self) -> str:
        """The Service's fully qualified name."""
        return f"{self.service}.{self.namespace}.svc.cluster.local"

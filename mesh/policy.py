"""The policy part of the intermediate representation: what holds for every version behind the route."""

from dataclasses import dataclass, field

from mesh.errors import InvalidMesh

MAX_PERCENT = 100


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

    attempts: int = 2
    per_try_timeout_s: float = 2.0
    # `reset` is not in Istio's default list; without it a killed pod loses requests.
    on: tuple[str, ...] = ("connect-failure", "refused-stream", "reset")
    status_codes: tuple[int, ...] = (503,)

    def __post_init__(self) -> None:
        check_positive(self, "per_try_timeout_s")
        if self.attempts < 0:
            message = f"Retries.attempts must be 0 (none) or more, got {self.attempts}"
            raise InvalidMesh(message)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What `on` says, and the condition without which Envoy does not look at the status codes."""
        codes = ("retriable-status-codes",) if self.status_codes else ()
        return (*self.on, *codes)


@dataclass(frozen=True)
class Outlier:
    """When a pod is ejected from its version's pool."""

    consecutive_5xx: int = 5
    interval_s: float = 5.0
    base_ejection_s: float = 15.0
    max_ejection_percent: int = 50

    def __post_init__(self) -> None:
        check_positive(self, "consecutive_5xx", "interval_s", "base_ejection_s")
        if not 0 <= self.max_ejection_percent <= MAX_PERCENT:
            message = f"Outlier.max_ejection_percent is 0 to 100, got {self.max_ejection_percent}"
            raise InvalidMesh(message)


@dataclass(frozen=True)
class Pool:
    """Limits on the connections to one version."""

    max_connections: int = 256
    max_pending: int = 256
    max_requests: int = 1024
    # Envoy's default of 3 gives up on most of the requests that one killed pod had in hand.
    max_retries: int = 1024
    connect_timeout_s: float = 1.0
    # Shorter than the pods' keep-alive, so that Envoy and never the pod closes an idle connection.
    idle_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        check_positive(self, "max_connections", "max_pending", "max_requests", "max_retries")
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

    timeout_s: float = 5.0
    retries: Retries = field(default_factory=Retries)
    outlier: Outlier = field(default_factory=Outlier)
    pool: Pool = field(default_factory=Pool)
    rate_limit_per_s: int | None = None
    jwt: Jwt | None = None
    warmup_s: float | None = None
    """How long a new pod's share grows to its full size; None gives it at once. For Istio alone."""

    def __post_init__(self) -> None:
        check_positive(self, "timeout_s", "rate_limit_per_s", "warmup_s")

"""How an operator runs: read once, at the edge."""

import os
import socket
import uuid
from dataclasses import dataclass, field

from canary.operator.errors import BadSettings
from canary.operator.timing import LeaseTiming, Timing


def fresh_identity() -> str:
    """Return a name for this process that no other had: a pod that restarts is another one."""
    return f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class OperatorSettings:
    """``namespaces`` are those that are watched, none being all. ``metrics_port`` 0 is any free port.

    ``gateway`` is where requests with a version pin are answered, for golden sets: by default the Service
    itself, which takes a sidecar at the operator's pod. ``gateway_namespaces`` are those in which the pods of
    Istio's gateways are looked for, so that they can be asked which split they hold; none is all.

    Raises:
        BadSettings: the address of Prometheus is none.
    """

    prometheus: str
    namespaces: tuple[str, ...] = ()
    lease_namespace: str = "bertmesh"
    identity: str = field(default_factory=fresh_identity)
    metrics_port: int = 9090
    gateway: str = "http://{service}.{namespace}.svc.cluster.local"
    gateway_namespaces: tuple[str, ...] = ()
    context: str | None = None
    kubeconfig: str | None = None
    lease: LeaseTiming = field(default_factory=LeaseTiming)
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        if not self.prometheus.startswith(("http://", "https://")):
            message = (
                f"{self.prometheus!r} is no address of a Prometheus: give one such as http://prometheus:9090"
            )
            raise BadSettings(message)

    def address_of(self, service: str, namespace: str) -> str:
        """Return where a Service is asked."""
        return self.gateway.replace("{service}", service).replace("{namespace}", namespace)

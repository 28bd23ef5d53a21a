"""How an operator runs: read once, at the edge."""

import os
import socket
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from canary.operator.errors import BadSettings
from canary.operator.timing import LeaseTiming, Timing
from mesh.model import DOMAIN

ANY: Final = "0.0.0.0"  # noqa: S104 - metrics are for others
"""Every address of the pod, of those with IPv4."""


def fresh_identity() -> str:
    """Return a name for this process that no other had: a pod that restarts is another one."""
    return f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True)
class OperatorSettings:
    """How a replica runs.

    ``namespaces`` are those that are watched, none being all. ``metrics_port`` 0 is any free port, on the
    address ``metrics_bind``. ``domain`` is the cluster's.

    ``gateway`` is where requests with a version pin are answered, for golden sets: by default the Service
    itself, which takes a sidecar at the operator's pod; the file ``token`` has what such requests are let in
    by. ``gateway_namespaces`` are those in which the pods of
    Istio's gateways are looked for, so that they can be asked which split they hold; none is all.

    Raises:
        BadSettings: the address of Prometheus is none.
    """

    prometheus: str
    namespaces: tuple[str, ...] = ()
    lease_namespace: str = "bertmesh"
    identity: str = field(default_factory=fresh_identity)
    metrics_port: int = 9090
    metrics_bind: str = ANY
    gateway: str = "http://{service}.{namespace}.svc.{domain}"
    token: Path | None = None
    gateway_namespaces: tuple[str, ...] = ()
    domain: str = DOMAIN
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
        filled = self.gateway.replace("{service}", service).replace("{namespace}", namespace)
        return filled.replace("{domain}", self.domain)

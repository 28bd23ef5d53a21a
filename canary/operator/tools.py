"""What all keepers of one operator share."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

from canary.cluster.asking import ProxyAsker
from canary.cluster.deployments import DEPLOYMENTS, SCALERS, SERVICES, Deployments, Listing
from canary.cluster.proof import Proxies
from canary.controller.gates import Webhooks
from canary.controller.golden_gate import Candidates
from canary.controller.ports import Clock, Metrics, Pins
from canary.controller.world import SystemClock
from canary.operator.notify import Notifier
from canary.operator.telemetry import Telemetry
from canary.operator.timing import Timing
from mesh.cluster.api import ClusterApi
from mesh.cluster.router import ClusterRouter
from mesh.model import DOMAIN

LOG = logging.getLogger("canary.operator")
LISTED_S = 1.0
SCALERS_S = 10.0


class Asker(Proxies, Pins, Protocol):
    """Asks the proxies of a route which split they hold, and whom a version's header reaches."""


@dataclass
class Adapters:
    """Everything that leads outside.

    ``metrics`` go by a Service's full name, ``candidates`` by a Service and its namespace.
    ``gateway_namespaces`` are where the pods of Istio's gateways are looked for.
    """

    api: ClusterApi
    metrics: Callable[[str], Metrics]
    webhooks: Webhooks
    notifier: Notifier
    candidates: Callable[[str, str], Candidates]
    telemetry: Telemetry = field(default_factory=Telemetry)
    clock: Clock = field(default_factory=SystemClock)
    timing: Timing = field(default_factory=Timing)
    domain: str = DOMAIN
    monotonic: Callable[[], float] = time.monotonic
    workers: Executor = field(default_factory=lambda: ThreadPoolExecutor(4, "golden"))
    asking: Executor = field(default_factory=lambda: ThreadPoolExecutor(16, "asking"))
    gateway_namespaces: Sequence[str] = ()
    _listings: dict[str, Listing] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def deployments(self, namespace: str, service: str) -> Deployments:
        """Return the versions of a Service; the namespace is listed once for all of its rollouts."""
        pods = self._listing(DEPLOYMENTS.format(namespace), LISTED_S)
        return Deployments(
            self.api, namespace, service, pods, self._listing(SCALERS.format(namespace), SCALERS_S)
        )

    def service(self, namespace: str, name: str) -> Mapping[str, Any]:
        """Return a Service as the API has it, empty if it is not there.

        Raises:
            ClusterError: the API is down or refuses.
        """
        known = self._listing(SERVICES.format(namespace), SCALERS_S).items()
        return next((each for each in known if each["metadata"]["name"] == name), {})

    def asker(self, namespace: str, service: str, router: ClusterRouter) -> Asker:
        """Return what asks the proxies of a Service's route."""
        return ProxyAsker(
            self.api, service, namespace, router.route, self.asking, self.gateway_namespaces,
            live_service=router.live_service, domain=self.domain,
        )  # fmt: skip

    def close(self) -> None:
        """Ask nobody any more, and send the messages that are left."""
        self.workers.shutdown(wait=False, cancel_futures=True)
        self.asking.shutdown(wait=False, cancel_futures=True)
        self.notifier.close()

    def warn(self, sentence: str) -> None:
        """Write a line that a person should read."""
        LOG.warning("%s", sentence)

    def log(self, sentence: str, *, warning: bool = False) -> None:
        """Write a line about what was decided or done."""
        LOG.log(logging.WARNING if warning else logging.INFO, "%s", sentence)

    def _listing(self, path: str, ttl_s: float) -> Listing:
        with self._lock:
            if path not in self._listings:
                self._listings[path] = Listing(self.api, path, ttl_s, self.monotonic)
            return self._listings[path]

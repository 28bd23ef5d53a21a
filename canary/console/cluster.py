"""The console's view of a cluster: every ModelRollout of the namespaces it looks at.

A rollout goes by its name and namespace with a dot between, ``zh.prod``: a namespace has no dots. Orders go
the same way as those of the command line, in the resource's annotation.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from canary.cluster.annotation import COMMAND
from canary.cluster.api import ModelRollouts
from canary.cluster.client import HINDRANCES, ClusterClient
from canary.cluster.store import decode
from canary.console.errors import NoAnswer
from canary.console.ports import ServiceView
from canary.errors import CanaryError
from canary.rollout.commands import Command, OrderResult
from canary.rollout.state import State
from mesh.cluster.api import ClusterApi
from mesh.errors import MeshError
from mesh.model import DOMAIN, full_name

LISTED_S: Final = 1.0
LEASE: Final = "bertmesh-controller"
LEASE_PATIENCE_S: Final = 30.0
ADVICE: Final = "See that the deployment of `bertmesh operator` runs."

Document = dict[str, Any]


@dataclass
class ClusterRollouts:
    """Reads ``namespaces``, none being all.

    ``lease_namespace`` has the operator's Lease ("": unknown), ``domain`` is the cluster's.
    """

    api: ClusterApi
    namespaces: Sequence[str] = ()
    lease_namespace: str = ""
    domain: str = DOMAIN
    within_s: float = 10.0
    monotonic: Callable[[], float] = time.monotonic
    _readings: Sequence[ServiceView] = ()
    _read_at: float = float("-inf")
    _states: dict[tuple[str, str], State | None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> Sequence[ServiceView]:
        """Return every ModelRollout, as it was at most a second ago."""
        with self._lock:
            if self.monotonic() - self._read_at >= LISTED_S:
                self._readings, self._read_at = self._fresh(), self.monotonic()
            return self._readings

    def send(self, service: str, command: Command) -> OrderResult:
        """Leave an order with a ModelRollout, and wait for the operator's answer.

        Raises:
            canary.errors.CanaryError: there was no answer; its sentence says why.
        """
        name, _, namespace = service.rpartition(".")
        try:
            client = ClusterClient(ModelRollouts(self.api, namespace), name)
            return client.send(command, within_s=self.within_s)
        except MeshError as error:
            raise NoAnswer(str(error)) from error
        finally:
            self._read_at = float("-inf")

    def _fresh(self) -> Sequence[ServiceView]:
        beat = self._beat()
        known: dict[tuple[str, str], State | None] = {}
        readings = [each for space in self.namespaces or ("",) for each in self._of(space, beat, known)]
        self._states = known
        return readings

    def _of(
        self, namespace: str, beat: float | None, known: dict[tuple[str, str], State | None]
    ) -> Sequence[ServiceView]:
        try:
            found = ModelRollouts(self.api, namespace).all()
        except (CanaryError, MeshError) as error:
            place = f"namespace {namespace}" if namespace else "the cluster"
            return [ServiceView(place, None, problem=f"The rollouts of {place} cannot be read: {error}")]
        return [self._reading(document, beat, known) for document in found]

    def _reading(
        self, document: Document, beat: float | None, known: dict[tuple[str, str], State | None]
    ) -> ServiceView:
        metadata, status = document["metadata"], document.get("status", {})
        service = f"{metadata['name']}.{metadata['namespace']}"
        key = (metadata["uid"], metadata["resourceVersion"])
        try:
            known[key] = self._states[key] if key in self._states else _state(service, status)
        except CanaryError as error:
            return ServiceView(service, None, problem=f"{service}: {error}")
        return ServiceView(
            service,
            known[key],
            beat,
            warning=_warning(service, document),
            host=full_name(document["spec"]["service"], metadata["namespace"], self.domain),
            patience_s=LEASE_PATIENCE_S if self.lease_namespace else math.inf,
            advice=ADVICE,
        )

    def _beat(self) -> float | None:
        """Return when the operator renewed its Lease last (Unix seconds), if that can be known."""
        if not self.lease_namespace:
            return None
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.lease_namespace}/leases/{LEASE}"
        try:
            answer = self.api.request("GET", path)
        except MeshError:
            return None
        renewed = answer.body.get("spec", {}).get("renewTime") if answer.ok else None
        return datetime.fromisoformat(renewed).timestamp() if renewed else None


def _state(service: str, status: Document) -> State | None:
    return decode(service, status["judge"])[0] if status.get("judge") else None


def _warning(service: str, document: Document) -> str:
    """Return what a person should know beside the rollout's state."""
    status, metadata = document.get("status", {}), document["metadata"]
    for each in status.get("conditions", ()):
        if each["type"] == "Ready" and each["status"] == "False" and each["reason"] in HINDRANCES:
            return f"{service} is not ready: {each['message']}"
    waits = metadata.get("annotations", {}).get(COMMAND)
    if waits:
        return f"{service}: the order `{waits}` waits for the operator's answer."
    return f"{service} is suspended by its spec." if document["spec"].get("suspend") else ""

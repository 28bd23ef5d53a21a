"""Which of several replicas works: one Lease, held for ``duration_s`` after each renewal.

A replica believes its own clock alone: it holds the Lease until ``duration_s`` after it *sent* the last
renewal that was accepted, and takes another's over only when it has seen no renewal for as long. So two
replicas never both believe that they hold it, whatever their clocks say.

The election of the package kubernetes goes by the time of day, counts a term from when a renewal was
answered, and cannot be asked how long it holds yet, which the fence in front of each write must know.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from canary.operator.timing import LeaseTiming
from mesh.cluster.api import ClusterApi, path_of
from mesh.errors import MeshError

LEASE: Final = "bertmesh-controller"


@dataclass
class Elector:
    """One replica's part in the election. ``identity`` must be new for each process."""

    api: ClusterApi
    namespace: str
    identity: str
    name: str = LEASE
    timing: LeaseTiming = field(default_factory=LeaseTiming)
    monotonic: Callable[[], float] = time.monotonic
    _held_until: float = float("-inf")
    _seen: tuple[str, str] | None = None
    _seen_at: float = 0.0

    def holds(self, seconds: float) -> bool:
        """Return whether nobody else can be the leader within the next ``seconds``."""
        return self.monotonic() + seconds < self._held_until

    def step(self) -> bool:
        """Try once to get or renew the Lease; return whether it is held."""
        try:
            return self._try()
        except MeshError:
            return self.holds(0)

    def run(self, stop: threading.Event) -> None:
        """Try until ``stop`` is set, then let go."""
        while not stop.is_set():
            self.step()
            stop.wait(self.timing.renew_s)
        self.release()

    def release(self) -> None:
        """Let go of the Lease, so that another replica need not wait for its end."""
        if not self.holds(0):
            return
        self._held_until = float("-inf")
        try:
            live = self.api.get(self._document({}))
            if live is not None and live["spec"].get("holderIdentity") == self.identity:
                self._put({**live, "spec": {**live["spec"], "holderIdentity": ""}})
        except MeshError:
            return  # it runs out by itself

    def _try(self) -> bool:
        asked_at = self.monotonic()
        live = self.api.get(self._document({}))
        if live is None:
            return self._created(asked_at)
        spec = live.get("spec", {})
        holder = spec.get("holderIdentity", "")
        if holder not in {self.identity, ""} and not self._expired(spec, asked_at):
            self._held_until = float("-inf")
            return False
        took_over = holder != self.identity
        renewed = {
            **spec,
            **self._claim(),
            "acquireTime": _now() if took_over else spec.get("acquireTime", _now()),
            "leaseTransitions": int(spec.get("leaseTransitions", 0)) + took_over,
        }
        if self._put({**live, "spec": renewed}):
            self._held_until = asked_at + self.timing.duration_s
        return self.holds(0)

    def _expired(self, spec: dict[str, Any], asked_at: float) -> bool:
        """Tell whether no renewal was seen for as long as the holder said that one lasts."""
        record = (str(spec.get("holderIdentity")), str(spec.get("renewTime")))
        if record != self._seen:
            self._seen, self._seen_at = record, asked_at
        return asked_at - self._seen_at >= float(spec.get("leaseDurationSeconds", self.timing.duration_s))

    def _created(self, asked_at: float) -> bool:
        spec = {**self._claim(), "acquireTime": _now(), "leaseTransitions": 0}
        path = path_of(self._document(spec)).rpartition("/")[0]
        if self.api.request("POST", path, body=self._document(spec)).ok:
            self._held_until = asked_at + self.timing.duration_s
        return self.holds(0)

    def _put(self, document: dict[str, Any]) -> bool:
        return self.api.request("PUT", path_of(document), body=document).ok

    def _claim(self) -> dict[str, Any]:
        duration = max(1, round(self.timing.duration_s))
        return {"holderIdentity": self.identity, "leaseDurationSeconds": duration, "renewTime": _now()}

    def _document(self, spec: dict[str, Any]) -> dict[str, Any]:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": spec,
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""Pods of versions as Deployments: found by their labels, counted when Ready, scaled by their subresource.

A name makes no version: console, controller and what else runs beside a model have it, too.

A Deployment that a HorizontalPodAutoscaler targets is scaled by us only from zero (where an autoscaler
sleeps) and to zero; in between the number is the autoscaler's.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from canary.controller.ports import WorkloadStatus
from mesh.cluster.api import MERGE, ClusterApi

Document = Mapping[str, Any]
DEPLOYMENTS: Final = "/apis/apps/v1/namespaces/{}/deployments"
SERVICES: Final = "/api/v1/namespaces/{}/services"
SCALERS: Final = "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers"
APP, VERSION = "app", "version"
PATIENCE: Final = 10.0
"""Reading the list may take a tenth of the time."""


@dataclass
class Listing:
    """What a namespace has, read for all rollouts in it every ``ttl_s``, or less often where that is slow."""

    api: ClusterApi
    path: str
    ttl_s: float
    monotonic: Callable[[], float]
    _items: Sequence[Document] = ()
    _by_app: Mapping[str, Sequence[Document]] = field(default_factory=dict)
    _old_at: float = field(default=float("-inf"))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def items(self) -> Sequence[Document]:
        """Return the objects.

        Raises:
            ClusterError: the API is down or refuses.
        """
        with self._lock:
            if self.monotonic() >= self._old_at:
                self._read()
            return self._items

    def of_app(self, app: str) -> Sequence[Document]:
        """Return the objects with this label ``app``.

        Raises:
            ClusterError: the API is down or refuses.
        """
        self.items()
        return self._by_app.get(app, ())

    def _read(self) -> None:
        begun = self.monotonic()
        answer = self.api.request("GET", self.path)
        found = answer.checked(f"list {self.path}", "give the controller's Role list on it (deploy/rbac)")
        self._items = found.get("items", ())
        by_app: dict[str, list[Document]] = defaultdict(list)
        for item in self._items:
            by_app[_labels(item).get(APP, "")].append(item)
        self._by_app, now = by_app, self.monotonic()
        self._old_at = begun + max(self.ttl_s, PATIENCE * (now - begun))


@dataclass(frozen=True)
class Deployments:
    """The versions of one Service in one namespace."""

    api: ClusterApi
    namespace: str
    service: str
    deployments: Listing
    scalers: Listing

    def versions(self) -> Sequence[str]:
        """Return the versions that have a Deployment."""
        return sorted(self._found())

    def status(self, version: str) -> WorkloadStatus:
        """Return what is wanted and seen of a version."""
        found = self._found().get(version)
        if found is None:
            message = (
                f"there is no Deployment with the labels {APP}={self.service}, {VERSION}={version} in "
                f"namespace {self.namespace}: create it, or give it these labels"
            )
            return WorkloadStatus(0, 0, known=False, message=message)
        return WorkloadStatus(_wanted(found), _ready(found), message=_trouble(found))

    def scale(self, version: str, replicas: int) -> None:
        """State how many pods a version shall have, unless that is its autoscaler's business."""
        found = self._found().get(version)
        if found is None or (replicas and _wanted(found) and self.floor(version) is not None):
            return
        name = found["metadata"]["name"]
        path = f"{DEPLOYMENTS.format(self.namespace)}/{name}/scale"
        answer = self.api.request("PATCH", path, body={"spec": {"replicas": replicas}}, content_type=MERGE)
        answer.checked(f"scale Deployment {name}", "give the controller's Role patch on deployments/scale")
        # As the API has it now, so that nobody need read all of them again.
        found["spec"]["replicas"] = replicas
        found["metadata"]["generation"] = found["metadata"].get("generation", 0) + 1

    def floor(self, version: str) -> int | None:
        """Return the least number of pods that a version's autoscaler keeps, or None without one."""
        found = self._found().get(version)
        for scaler in self.scalers.items() if found is not None else ():
            target = scaler["spec"]["scaleTargetRef"]
            if target["kind"] == "Deployment" and found and target["name"] == found["metadata"]["name"]:
                return int(scaler["spec"].get("minReplicas", 1))
        return None

    def _found(self) -> Mapping[str, Document]:
        """Return the Deployments by version."""
        items = self.deployments.of_app(self.service)
        return {_labels(item)[VERSION]: item for item in items if VERSION in _labels(item)}


def _labels(item: Document) -> Mapping[str, str]:
    labels: Mapping[str, str] = item["metadata"].get("labels") or {}
    return labels


def _wanted(item: Document) -> int:
    return int(item["spec"].get("replicas", 1))


def _ready(item: Document) -> int:
    """Return the Ready pods of the present template; what the status does not know yet counts as none."""
    status = item.get("status", {})
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0):
        return 0
    return min(int(status.get("readyReplicas", 0)), int(status.get("updatedReplicas", 0)))


def _trouble(item: Document) -> str:
    conditions = item.get("status", {}).get("conditions", ())
    bad = (
        each
        for each in conditions
        if (each["type"], each["status"]) in {("Progressing", "False"), ("ReplicaFailure", "True")}
    )
    return "; ".join(str(each.get("message") or each.get("reason", "")) for each in bad)

"""Pods and what makes them: Deployments and the like, as far as their pod template goes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from doctor.dig import dig, labels, mapping, parts, subset, whole
from doctor.model import Inventory, Object

TEMPLATES: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
SERVING: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod")
SCALED: Final = ("Deployment", "StatefulSet", "ReplicaSet")
PROXY: Final = "istio-proxy"


@dataclass(frozen=True)
class Workload:
    """An object that makes pods, seen as its pods."""

    object: Object

    @cached_property
    def path(self) -> tuple[str, ...]:
        """Where the pod template lies."""
        return TEMPLATES[self.object.kind]

    @cached_property
    def template(self) -> Mapping[str, Any]:
        """The pod template."""
        return mapping(self.object.body, *self.path)

    @cached_property
    def labels(self) -> dict[str, str]:
        """The pods' labels."""
        return labels(self.template, "metadata", "labels")

    @cached_property
    def annotations(self) -> dict[str, str]:
        """The pods' annotations."""
        return labels(self.template, "metadata", "annotations")

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        """The pods' spec."""
        return mapping(self.template, "spec")

    @property
    def namespace(self) -> str:
        """Where the pods live."""
        return self.object.namespace

    @property
    def containers(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The containers that serve, with the field that each stands in; Istio's own is left out."""
        return [
            (self.field("spec", f"containers[{number}]"), each)
            for number, each in enumerate(parts(self.spec, "containers"))
            if each.get("name") != PROXY
        ]

    def field(self, *path: str) -> str:
        """Return the name of a field of the pods, as seen from the object."""
        return ".".join((*self.path, *path))

    @property
    def replicas(self) -> int:
        """How many pods are wanted."""
        found = whole(self.object.body, "spec", "replicas")
        return 1 if found is None else found

    def __str__(self) -> str:
        return str(self.object)


def workloads(inventory: Inventory, *kinds: str, namespace: str | None = None) -> Iterator[Workload]:
    """Yield what makes pods; what is made by another object that is here too is left out.

    On a cluster the pods of a Deployment would otherwise be told of three times.
    """
    for each in inventory.of(*(kinds or TEMPLATES), namespace=namespace):
        if not _made_by_another(each):
            yield Workload(each)


def _made_by_another(each: Object) -> bool:
    return any(
        owner.get("controller") is True and str(owner.get("kind")) in TEMPLATES
        for owner in parts(each.body, "metadata", "ownerReferences")
    )


def selected(inventory: Inventory, service: Object) -> list[Workload]:
    """Return the workloads whose pods a Service leads to; none for a Service without a selector."""
    wanted = labels(service.body, "spec", "selector")
    if not wanted:
        return []
    return [
        each
        for each in workloads(inventory, *SERVING, namespace=service.namespace)
        if subset(wanted, each.labels)
    ]


def running(inventory: Inventory, workload: Workload) -> list[Object]:
    """Return the pods with the workload's labels that run now; none in files."""
    return [
        pod
        for pod in inventory.of("Pod", namespace=workload.namespace)
        if workload.labels and subset(workload.labels, pod.labels) and dig(pod.body, "status", "phase")
    ]

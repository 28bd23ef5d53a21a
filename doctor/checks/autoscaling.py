"""Autoscalers: what they rule, and what keeps them from it."""

from collections.abc import Iterator
from typing import Final

from doctor.check import check
from doctor.dig import dig, listed, mapping, text
from doctor.model import Inventory, Object, Place, Severity, Sighting
from doctor.pods import SCALED, Workload

SCALERS: Final = ("HorizontalPodAutoscaler", "ScaledObject")
SCALE_WRITERS: Final = frozenset({"kube-controller-manager", "keda", "bertmesh-controller"})


def target_of(scaler: Object) -> tuple[str, str]:
    """Return kind and name of what an autoscaler scales."""
    reference = mapping(scaler.body, "spec", "scaleTargetRef")
    return text(reference, "kind") or "Deployment", text(reference, "name")


def scalers_of(inventory: Inventory, target: Object) -> list[Object]:
    """Return the autoscalers of a workload; the one that KEDA makes for its own counts once."""
    return [
        each
        for each in inventory.of(*SCALERS, namespace=target.namespace)
        if target_of(each) == (target.kind, target.name)
        and not any(
            owner.get("kind") == "ScaledObject" for owner in each.parts("metadata", "ownerReferences")
        )
    ]


@check("BM401", Severity.ERROR)
def replicas_beside_autoscaler(inventory: Inventory) -> Iterator[Sighting]:
    """A Deployment fixes its replicas although an autoscaler rules them.

    Every helm upgrade and every sync sets the number back: pods that carry the load are taken away at
    once, and the autoscaler starts them again minutes later.

    Leave spec.replicas out of the manifest.
    """
    for target in inventory.of(*SCALED):
        scalers = scalers_of(inventory, target)
        writers = _writers(inventory, target)
        if scalers and dig(target.body, "spec", "replicas") not in (None, 0) and writers:
            yield Sighting(
                target,
                "spec.replicas",
                f"{text(target.body, 'spec', 'replicas')}, set by {listed(writers)}; there is {scalers[0]}",
                "remove spec.replicas from the manifest (server-side apply then leaves the number alone)",
            )


def _writers(inventory: Inventory, target: Object) -> list[str]:
    """Return who sets the replicas, autoscalers left out: in files the file, on a cluster the appliers."""
    if inventory.place is Place.FILES:
        return [target.source or "the manifest"]
    return sorted(
        text(entry, "manager")
        for entry in target.parts("metadata", "managedFields")
        if "f:replicas" in mapping(entry, "fieldsV1", "f:spec")
        and text(entry, "subresource") != "scale"
        and text(entry, "operation") == "Apply"
        and text(entry, "manager") not in SCALE_WRITERS
    )


@check("BM402", Severity.ERROR)
def two_autoscalers(inventory: Inventory) -> Iterator[Sighting]:
    """Two autoscalers rule one workload.

    Each undoes the other's number every 15 seconds, and pods start and stop without end.

    Keep one; a KEDA ScaledObject makes its own HorizontalPodAutoscaler.
    """
    for target in inventory.of(*SCALED):
        found = scalers_of(inventory, target)
        if len(found) > 1:
            yield Sighting(
                found[1],
                "spec.scaleTargetRef",
                f"{target}, which {found[0]} scales as well",
                f"kubectl -n {found[1].namespace} delete {found[1].kind.lower()} {found[1].name}",
            )


@check("BM404", Severity.ERROR)
def utilisation_without_requests(inventory: Inventory) -> Iterator[Sighting]:
    """An autoscaler works by utilisation, and a container asks for none of that resource.

    Utilisation is usage over requests. Without requests the autoscaler reports FailedGetResourceMetric
    and keeps the number as it is.

    Set resources.requests, or scale by averageValue.
    """
    for scaler in inventory.of("HorizontalPodAutoscaler"):
        kind, name = target_of(scaler)
        target = inventory.find(kind, scaler.namespace, name) if kind in SCALED else None
        for number, metric in enumerate(scaler.parts("spec", "metrics") if target else ()):
            resource = text(metric, "resource", "name")
            if target and text(metric, "resource", "target", "type") == "Utilization":
                for field in _without(Workload(target), resource):
                    yield Sighting(
                        scaler,
                        f"spec.metrics[{number}].resource",
                        f"{resource} utilisation, but {field} of {target} requests no {resource}",
                        f'add to {target}, {field}: resources: {{requests: {{{resource}: "1"}}}}',
                    )


def _without(workload: Workload, resource: str) -> Iterator[str]:
    for field, container in workload.containers:
        asked = [mapping(container, "resources", each) for each in ("requests", "limits")]
        if not any(resource in each for each in asked):
            yield field

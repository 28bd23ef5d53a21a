"""Selectors that match nothing, or too much."""

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from doctor.check import check
from doctor.dig import labels, mapping, matches, shown, subset
from doctor.fixes import merge
from doctor.model import Inventory, Severity, Sighting
from doctor.pods import SERVING, Workload, selected, workloads
from doctor.traffic import routed_services

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
CONTROLLER: Final = "bertmesh-controller"


@check("BM111", Severity.WARNING)
def service_without_pods(inventory: Inventory) -> Iterator[Sighting]:
    """A Service's selector matches no pod template.

    Requests to it are answered with 503 and the flag UH. Often a label was renamed on one side only. It
    is an error for a Service that a route leads to.

    Make the selector and the labels of the pod template the same. A Service that the controller made for a
    version that is gone may go, too.
    """
    routed = {str(each) for each in routed_services(inventory)}
    for service in inventory.of("Service"):
        wanted = labels(service.body, "spec", "selector")
        there = list(workloads(inventory, *SERVING, namespace=service.namespace))
        if not wanted or not there or selected(inventory, service):
            continue
        nearest = max(there, key=lambda each: len(wanted.items() & each.labels.items()))
        mended = merge(service, {"spec": {"selector": {key: nearest.labels.get(key) for key in wanted}}})
        ours = service.labels.get(MANAGED_BY) == CONTROLLER
        yield Sighting(
            service,
            "spec.selector",
            f"{shown(wanted)}; the nearest are the pods of {nearest} with {shown(nearest.labels)}",
            # The controller makes it for a version, and undoes what others change in it.
            f"kubectl -n {service.namespace} delete service {service.name}" if ours else mended,
            Severity.ERROR if str(service) in routed else None,
        )


@check("BM117", Severity.ERROR)
def selectors_overlap(inventory: Inventory) -> Iterator[Sighting]:
    """Two workloads select the same pods.

    Autoscalers, budgets and `kubectl rollout` count pods by the selector: the canary's load moves the
    stable's average, and one is scaled for what the other does. Versions of one model must differ in
    their selectors.

    Put the version into spec.selector.matchLabels of both (a new Deployment, since selectors cannot change).
    """
    for one, other in combinations(_selecting(inventory), 2):
        if one.namespace == other.namespace and (_takes(one, other) or _takes(other, one)):
            yield Sighting(
                one.object,
                "spec.selector",
                f"{shown(_wanted(one))}; {other} selects {shown(_wanted(other))}",
                "add a label that only its pods have, such as version, to both selectors",
            )


def _selecting(inventory: Inventory) -> list[Workload]:
    return [
        each
        for each in workloads(inventory, "Deployment", "StatefulSet", "DaemonSet")
        if mapping(each.object.body, "spec", "selector")
    ]


def _wanted(workload: Workload) -> dict[str, str]:
    return labels(workload.object.body, "spec", "selector", "matchLabels")


def _takes(one: Workload, other: Workload) -> bool:
    selector = mapping(one.object.body, "spec", "selector")
    return bool(_wanted(one)) and subset(_wanted(one), other.labels) and matches(selector, other.labels)

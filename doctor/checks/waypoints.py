"""Ambient mode: waypoints, and what ambient mode cannot do."""

from collections.abc import Iterator
from typing import Final

from doctor.check import check
from doctor.dig import text
from doctor.fixes import label
from doctor.meshed import WAYPOINT, Mode, membership
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.pods import selected
from doctor.traffic import GATEWAY_API, destinations, rollouts, routed_services

CLASS: Final = "istio-waypoint"


def _ambient(inventory: Inventory) -> Iterator[Object]:
    """Yield the Services behind routes whose pods are in ambient mode."""
    for service in routed_services(inventory):
        pods = selected(inventory, service)
        if pods and all(membership(inventory, pod).mode is Mode.AMBIENT for pod in pods):
            yield service


@check("BM504", Severity.ERROR)
def no_waypoint(inventory: Inventory) -> Iterator[Sighting]:
    """A Service in ambient mode has no waypoint.

    ztunnel carries bytes and knows no HTTP: weights and retries inside the mesh do not apply, and there
    are no HTTP metrics to judge a canary by.

    istioctl waypoint apply -n NAMESPACE --enroll-namespace, or the label istio.io/use-waypoint on the
    Service.
    """
    for service in _ambient(inventory):
        namespace = inventory.find("Namespace", "", service.namespace)
        said = service.labels.get(WAYPOINT) or (namespace.labels.get(WAYPOINT) if namespace else None)
        place = service.labels.get(f"{WAYPOINT}-namespace") or service.namespace
        if said in (None, "", "none"):
            yield Sighting(
                service,
                "metadata.labels",
                f"no {WAYPOINT} on it or on its namespace",
                label(service, f"{WAYPOINT}=waypoint")
                + f" && istioctl waypoint apply -n {service.namespace}",
            )
        elif said and not _exists(inventory, place, said):
            yield Sighting(
                service,
                f"metadata.labels.{WAYPOINT}",
                f"{said}, but there is no Gateway {place}/{said} of class {CLASS}",
                f"istioctl waypoint apply -n {place} --name {said}",
            )


def _exists(inventory: Inventory, namespace: str, name: str) -> bool:
    if not inventory.sees("Gateway", namespace):
        return True  # it cannot be known here
    found = inventory.find("Gateway", namespace, name, group=GATEWAY_API)
    return found is not None and text(found.body, "spec", "gatewayClassName").startswith(CLASS)


@check("BM505", Severity.ERROR)
def subsets_in_ambient(inventory: Inventory) -> Iterator[Sighting]:
    """A route uses subsets in ambient mode.

    Waypoints do not support DestinationRule subsets (and VirtualServices only as alpha): the split is
    ignored.

    A Service for each version and an HTTPRoute: spec.routing.style gatewayAPI in the ModelRollout.
    """
    ambient = {(each.namespace, each.name) for each in _ambient(inventory)}
    for each in destinations(inventory):
        if each.subset and (each.namespace, each.service) in ambient:
            yield Sighting(
                each.route,
                f"{each.field}.subset",
                f"{each.subset} of {each.service}, whose pods are in ambient mode",
                "use an HTTPRoute over a Service per version",
            )
    for rollout in rollouts(inventory):
        style = text(rollout.body, "spec", "routing", "style") or "subsets"
        if style == "subsets" and (rollout.namespace, text(rollout.body, "spec", "service")) in ambient:
            yield Sighting(
                rollout,
                "spec.routing.style",
                f"{style}, while the pods are in ambient mode",
                "make the ModelRollout again with spec.routing.style: gatewayAPI (it cannot be changed)",
            )

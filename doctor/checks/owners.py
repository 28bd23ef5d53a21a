"""Who writes a route, by the managed fields that a cluster keeps."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from doctor.check import check
from doctor.dig import listed, mapping, parts, text
from doctor.model import Inventory, Object, Place, Severity, Sighting
from doctor.traffic import GATEWAY_API, ISTIO, destinations, rollouts

CONTROLLER: Final = "bertmesh-controller"
RULES: Final = {"VirtualService": "f:http", "HTTPRoute": "f:rules"}


def managers(route: Object) -> list[str]:
    """Return who wrote the rules of a route."""
    field = RULES[route.kind]
    return sorted({
        text(entry, "manager") or "somebody who left no name"
        for entry in parts(route.body, "metadata", "managedFields")
        if _holds(mapping(entry, "fieldsV1", "f:spec"), field)
    })  # fmt: skip


def _holds(spec: Mapping[str, Any], field: str) -> bool:
    return field in spec


@check("BM205", Severity.ERROR)
def several_owners(inventory: Inventory) -> Iterator[Sighting]:
    """Several managers write the rules of one route, or another than the controller writes a rollout's.

    The list of rules is atomic: each writer replaces the other's weights. With server-side apply the
    second one meets a conflict, and with --force the canary jumps.

    Let one of them write it. Where a rollout is about it, take the route out of Helm, Argo CD or Flux.
    """
    if inventory.place is not Place.CLUSTER:
        return
    judged = {(each.namespace, text(each.body, "spec", "service")) for each in rollouts(inventory)}
    ends = list(destinations(inventory))
    for kind, group in (("VirtualService", ISTIO), ("HTTPRoute", GATEWAY_API)):
        for route in inventory.of(kind, group=group):
            writers = managers(route)
            ours = any((each.namespace, each.service) in judged for each in ends if each.route is route)
            strangers = [each for each in writers if each != CONTROLLER]
            if len(writers) > 1 or (ours and strangers):
                yield Sighting(
                    route,
                    "metadata.managedFields",
                    f"{RULES[kind].removeprefix('f:')} is written by {listed(writers)}",
                    f"take {route} out of what {listed(strangers)} applies"
                    + ("; the controller then writes it again" if ours else ", but for one of them"),
                )

"""Kinds that the cluster does not have, and kinds that we may not read."""

from collections.abc import Iterator
from typing import Final

from doctor.check import check
from doctor.dig import text
from doctor.model import Inventory, Object, Place, Severity, Sighting
from doctor.traffic import BERTMESH, GATEWAY_API, ISTIO, rollouts

INSTALL: Final = {
    "networking.istio.io": "istioctl install (or Istio's chart `base`)",
    "security.istio.io": "istioctl install (or Istio's chart `base`)",
    "telemetry.istio.io": "istioctl install (or Istio's chart `base`)",
    GATEWAY_API: "kubectl apply -f standard-install.yaml of the Gateway API's release",
    BERTMESH: "kubectl apply -f deploy/crd/modelrollouts.yaml",
    "monitoring.coreos.com": "install the Prometheus Operator, or turn its resources off in the values",
    "keda.sh": "install KEDA, or use a HorizontalPodAutoscaler",
}
STYLES: Final = {
    "subsets": ((ISTIO, "VirtualService"), (ISTIO, "DestinationRule")),
    "services": ((ISTIO, "VirtualService"), (ISTIO, "DestinationRule")),
    "gatewayAPI": ((GATEWAY_API, "HTTPRoute"),),
}


@check("BM701", Severity.ERROR)
def kind_missing(inventory: Inventory) -> Iterator[Sighting]:
    """The cluster does not know a kind that is used.

    The installation stops at the first such object; and a rollout whose route cannot be written stands
    still.

    Install the definitions (CRDs), or turn the resource off.
    """
    if inventory.served is None:
        return
    for each in inventory.objects:
        builtin = each.group == "" or "." not in each.group or each.group.endswith(".k8s.io")
        own = each.group in INSTALL
        if (own or not builtin) and (each.group, each.kind) not in inventory.served:
            yield _missing(each, "apiVersion", each.group, each.kind)
    for rollout in rollouts(inventory):
        for group, kind in STYLES.get(text(rollout.body, "spec", "routing", "style") or "subsets", ()):
            if (group, kind) not in inventory.served:
                yield _missing(rollout, "spec.routing.style", group, kind)
    if inventory.place is Place.CLUSTER and (BERTMESH, "ModelRollout") not in inventory.served:
        cluster = Object(
            {"kind": "CustomResourceDefinition", "metadata": {"name": f"modelrollouts.{BERTMESH}"}}, ""
        )
        yield _missing(cluster, "metadata.name", BERTMESH, "ModelRollout")


def _missing(each: Object, field: str, group: str, kind: str) -> Sighting:
    how = INSTALL.get(group, f"install the definitions of {group}")
    return Sighting(each, field, f"{kind} of {group}, which the cluster does not serve", how)


@check("BM702", Severity.INFO)
def kind_unread(inventory: Inventory) -> Iterator[Sighting]:
    """Some objects could not be looked at.

    What is not read is not judged: no finding about them means nothing.

    Let the doctor list them, or take the finding as it is.
    """
    for kind, why in sorted(inventory.unread.items()):
        namespaces = sorted(inventory.namespaces)
        place = Object({"kind": kind, "metadata": {"name": "*"}}, namespaces[0] if namespaces else "")
        yield Sighting(place, "list", why, f"kubectl auth can-i list {kind.lower()} -n {place.namespace}")

"""How pods are started and replaced."""

from collections.abc import Iterator

from doctor.check import check
from doctor.dig import text
from doctor.fixes import merge
from doctor.model import Inventory, Severity, Sighting
from doctor.traffic import routed_workloads


@check("BM307", Severity.WARNING)
def all_pods_at_once(inventory: Inventory) -> Iterator[Sighting]:
    """A Deployment behind a route takes pods away before new ones are ready.

    Each upgrade costs requests or capacity, and during a rollout the evidence of that version.

    RollingUpdate with maxUnavailable 0.
    """
    for workload in routed_workloads(inventory):
        strategy = workload.object.dig("spec", "strategy")
        if workload.object.kind == "Deployment" and text(strategy, "type") == "Recreate":
            wanted = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
            yield Sighting(
                workload.object,
                "spec.strategy.type",
                "Recreate",
                merge(workload.object, {"spec": {"strategy": wanted}}),
            )

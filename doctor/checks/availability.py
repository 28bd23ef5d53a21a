"""PodDisruptionBudgets."""

import math
from collections.abc import Iterator
from itertools import combinations

from doctor.check import check
from doctor.checks.autoscaling import least
from doctor.dig import dig, mapping, matches, shown
from doctor.fixes import merge
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.pods import SCALED, Workload, workloads

ALL = 100


def _budgets(inventory: Inventory) -> Iterator[tuple[Object, list[Workload]]]:
    for budget in inventory.of("PodDisruptionBudget"):
        there = workloads(inventory, *SCALED, namespace=budget.namespace)
        selector = mapping(budget.body, "spec", "selector")
        yield budget, [each for each in there if matches(selector, each.labels)]


@check("BM405", Severity.ERROR)
def budget_blocks_drains(inventory: Inventory) -> Iterator[Sighting]:
    """A PodDisruptionBudget allows no disruption at all.

    No node with such a pod can be drained: upgrades of the cluster hang until somebody deletes the budget
    by hand, at night.

    maxUnavailable 1, and at least two replicas.
    """
    for budget, covered in _budgets(inventory):
        pods = sum(_pods(inventory, each) for each in covered)
        if covered and pods and _allowed(budget, pods) <= 0:
            said = {key: dig(budget.body, "spec", key) for key in ("minAvailable", "maxUnavailable")}
            seen = shown({key: str(value) for key, value in said.items() if value is not None})
            yield Sighting(
                budget,
                "spec",
                f"{seen} over {pods} pod{'s' if pods > 1 else ''} of {', '.join(map(str, covered))}",
                merge(budget, {"spec": {"minAvailable": None, "maxUnavailable": 1}})
                + ("" if pods > 1 else ", and run two replicas"),
            )


def _pods(inventory: Inventory, workload: Workload) -> int:
    ruled = least(inventory, workload.object)
    return workload.replicas if ruled is None else ruled


def _allowed(budget: Object, pods: int) -> int:
    """Return how many pods may go, as the disruption controller counts."""
    most, fewest = dig(budget.body, "spec", "maxUnavailable"), dig(budget.body, "spec", "minAvailable")
    if most is not None:
        return _share(most, pods)
    # The default of a budget that says nothing is minAvailable 1.
    return pods - (1 if fewest is None else _share(fewest, pods))


def _share(said: object, pods: int) -> int:
    if isinstance(said, str) and said.rstrip("%").isdigit():
        return math.ceil(int(said.rstrip("%")) * pods / ALL)
    return said if isinstance(said, int) else pods


@check("BM406", Severity.WARNING)
def budget_without_pods(inventory: Inventory) -> Iterator[Sighting]:
    """A PodDisruptionBudget selects no pods.

    It protects nobody: a drain may take all pods of a version at once.

    Make its selector that of the Deployment.
    """
    for budget, covered in _budgets(inventory):
        if not covered and inventory.sees("Deployment", budget.namespace):
            wanted = mapping(budget.body, "spec", "selector", "matchLabels")
            yield Sighting(
                budget,
                "spec.selector",
                shown({str(key): str(value) for key, value in wanted.items()}),
                f"kubectl -n {budget.namespace} get pods --show-labels, and select by labels that they have",
            )


@check("BM407", Severity.ERROR)
def two_budgets(inventory: Inventory) -> Iterator[Sighting]:
    """Two PodDisruptionBudgets cover the same pods.

    The eviction API refuses to evict a pod with more than one budget, so its node cannot be drained.

    One budget for each set of pods.
    """
    for (one, mine), (other, yours) in combinations(_budgets(inventory), 2):
        common = sorted({str(each) for each in mine} & {str(each) for each in yours})
        if common:
            yield Sighting(
                one,
                "spec.selector",
                f"{', '.join(common)}, which {other} covers as well",
                f"kubectl -n {other.namespace} delete poddisruptionbudget {other.name}",
            )

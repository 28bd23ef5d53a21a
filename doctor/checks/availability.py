"""PodDisruptionBudgets."""

from collections.abc import Iterator
from itertools import combinations

from doctor.check import check
from doctor.dig import mapping, matches, shown
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.pods import SCALED, Workload, workloads


def _budgets(inventory: Inventory) -> Iterator[tuple[Object, list[Workload]]]:
    for budget in inventory.of("PodDisruptionBudget"):
        there = workloads(inventory, *SCALED, namespace=budget.namespace)
        selector = mapping(budget.body, "spec", "selector")
        yield budget, [each for each in there if matches(selector, each.labels)]


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

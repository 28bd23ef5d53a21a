"""ModelRollouts: whether they can be used, and whether what they name exists."""

from collections.abc import Iterator

from canary.resource.errors import InvalidResource
from canary.resource.spec import ModelRollout
from doctor.check import check
from doctor.dig import listed, mapping, text
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.traffic import rollouts

APP, VERSION = "app", "version"


@check("BM211", Severity.ERROR)
def rollout_breaks_a_rule(inventory: Inventory) -> Iterator[Sighting]:
    """A ModelRollout breaks one of its rules.

    The API server refuses it, or the controller does nothing and says why in the status.

    Correct the field; docs/reference/modelrollout.md describes each.
    """
    for each in rollouts(inventory):
        try:
            ModelRollout.read({"metadata": {"name": each.name}, "spec": each.dig("spec")})
        except InvalidResource as error:
            for problem in error.problems:
                field, _, what = problem.partition(": ")
                yield Sighting(each, field, what, f"kubectl explain modelrollout.{field.split('[')[0]}")


@check("BM212", Severity.ERROR)
def rollout_without_deployment(inventory: Inventory) -> Iterator[Sighting]:
    """A ModelRollout names a version that has no Deployment.

    The controller waits for pods that nobody starts, and the rollout fails at its progressDeadline.

    Create the Deployment with the labels app and version, on the object itself and on its pods.
    """
    for each in rollouts(inventory):
        if not inventory.sees("Deployment", each.namespace):
            continue
        known = _versions(inventory, each)
        for role in ("stable", "canary"):
            version = text(each.body, "spec", role)
            if version and version not in known:
                yield Sighting(
                    each,
                    f"spec.{role}",
                    f"{version}; versions with a Deployment: {listed(sorted(known))}",
                    f"create a Deployment with app={text(each.body, 'spec', 'service')},version={version}, "
                    "or correct the version",
                )


def _versions(inventory: Inventory, rollout: Object) -> set[str]:
    """Return the versions as the controller finds them, by their labels."""
    service = text(rollout.body, "spec", "service")
    there = inventory.of("Deployment", namespace=rollout.namespace)
    return {
        each.labels[VERSION] for each in there if each.labels.get(APP) == service and VERSION in each.labels
    }


@check("BM213", Severity.ERROR)
def two_rollouts_of_a_service(inventory: Inventory) -> Iterator[Sighting]:
    """Several ModelRollouts are about one Service.

    Both would write its route; the first to come holds it, and the other is refused for as long as it
    lives.

    Delete one of them; a new canary is a change of spec.canary, not another ModelRollout.
    """
    first: dict[tuple[str, str], Object] = {}
    for each in rollouts(inventory):
        place = (each.namespace, text(each.body, "spec", "service"))
        other = first.setdefault(place, each)
        if other is not each:
            yield Sighting(
                each,
                "spec.service",
                f"{place[1]}, which {other} is about as well",
                f"kubectl -n {each.namespace} delete modelrollout {each.name}",
            )


@check("BM214", Severity.ERROR)
def rollout_without_service(inventory: Inventory) -> Iterator[Sighting]:
    """A ModelRollout is about a Service that does not exist.

    Clients have nothing to call, and its route leads nowhere.

    Create the Service over the pods of all versions (selector app alone).
    """
    for each in rollouts(inventory):
        name = text(each.body, "spec", "service")
        if name and inventory.sees("Service", each.namespace):
            service = inventory.find("Service", each.namespace, name)
            if service is None:
                yield Sighting(
                    each, "spec.service", f"no Service {each.namespace}/{name}", f"create the Service {name}"
                )
            elif VERSION in mapping(service.body, "spec", "selector"):
                yield Sighting(
                    service,
                    "spec.selector.version",
                    f"{text(service.body, 'spec', 'selector', VERSION)}: it leaves the other versions out",
                    f"kubectl -n {each.namespace} patch service {name} --type=json -p "
                    '\'[{"op":"remove","path":"/spec/selector/version"}]\'',
                )

"""The far ends of routes: Services, subsets and the labels that tell versions apart."""

from collections.abc import Iterator

from doctor.check import ANYWHERE, check
from doctor.dig import labels, listed, shown, subset, text
from doctor.fixes import merge
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.pods import SERVING, workloads
from doctor.traffic import ISTIO, destinations, rollouts, routed_workloads, service_of

VERSION = "version"


def _subsets(inventory: Inventory, namespace: str, service: str) -> Iterator[tuple[Object, int, str]]:
    for rule in inventory.of("DestinationRule", group=ISTIO):
        if service_of(text(rule.body, "spec", "host"), rule.namespace) == (namespace, service):
            for number, each in enumerate(rule.parts("spec", "subsets")):
                yield rule, number, text(each, "name")


@check("BM112", Severity.WARNING, ANYWHERE)
def subset_without_pods(inventory: Inventory) -> Iterator[Sighting]:
    """A subset's labels are on no pod.

    Requests that a route sends there are answered with 503 and the flag UH. It is an error if a route
    does, and a Deployment scaled to zero counts as there.

    Give the pod template the subset's labels, or take the subset away.
    """
    used = {(each.namespace, each.service, each.subset) for each in destinations(inventory)}
    for rule in inventory.of("DestinationRule", group=ISTIO):
        place = service_of(text(rule.body, "spec", "host"), rule.namespace)
        there = list(workloads(inventory, *SERVING, namespace=place[0])) if place else []
        for number, each in enumerate(rule.parts("spec", "subsets") if there else ()):
            wanted, name = labels(each, "labels"), text(each, "name")
            if wanted and place and not any(subset(wanted, pod.labels) for pod in there):
                routed = (*place, name) in used
                yield Sighting(
                    rule,
                    f"spec.subsets[{number}].labels",
                    f"subset {name} wants {shown(wanted)}, which no pod template in {place[0]} has",
                    f"create the Deployment with {shown(wanted)} on its pods, or remove the subset",
                    Severity.ERROR if routed else None,
                )


@check("BM113", Severity.ERROR, ANYWHERE)
def subset_undefined(inventory: Inventory) -> Iterator[Sighting]:
    """A route leads to a subset that no DestinationRule defines.

    Envoy knows no cluster of that name and answers 503 with the flag NC.

    Define the subset in the DestinationRule of that host, before a route names it.
    """
    if not inventory.sees("DestinationRule"):
        return
    for each in destinations(inventory):
        known = [name for *_, name in _subsets(inventory, each.namespace, each.service)]
        if each.subset and each.subset not in known:
            yield Sighting(
                each.route,
                f"{each.field}.subset",
                f"{each.subset!r}; the subsets of {each.host} are {listed(known)}",
                f"add to the DestinationRule of {each.host}: subsets: [{{name: {each.subset}, labels: "
                "{version: VERSION}}]",
            )


@check("BM114", Severity.ERROR, ANYWHERE)
def service_missing(inventory: Inventory) -> Iterator[Sighting]:
    """A route leads to a Service that does not exist.

    Envoy answers 503 (an HTTPRoute's backend: 500), however many pods there are.

    Create the Service, or correct the host.
    """
    for each in destinations(inventory):
        if not inventory.sees("Service", each.namespace):
            continue
        if inventory.find("Service", each.namespace, each.service) is None:
            known = [service.name for service in inventory.of("Service", namespace=each.namespace)]
            yield Sighting(
                each.route,
                each.field,
                f"{each.service}; the Services in {each.namespace} are {listed(sorted(known))}",
                f"kubectl -n {each.namespace} create service clusterip {each.service} --tcp=80:8000 "
                "(and name its port http), or correct the route",
            )


@check("BM115", Severity.WARNING)
def pods_without_version(inventory: Inventory) -> Iterator[Sighting]:
    """Pods behind a route have no label `version`.

    Istio's metrics say destination_version="unknown" for them, so nobody can judge a version by its
    numbers, and no subset can single them out. It is an error where a ModelRollout is about them.

    Label the pod template with the model's version.
    """
    judged = {(each.namespace, text(each.body, "spec", "service")) for each in rollouts(inventory)}
    for each in routed_workloads(inventory):
        if not each.labels.get(VERSION) and each.object.kind != "Pod":
            belongs = (each.namespace, each.labels.get("app", "")) in judged
            yield Sighting(
                each.object,
                each.field("metadata", "labels"),
                shown(each.labels),
                merge(each.object, _labelled(each.path)),
                Severity.ERROR if belongs else None,
            )


def _labelled(path: tuple[str, ...]) -> dict[str, object]:
    patch: dict[str, object] = {"metadata": {"labels": {VERSION: "1.0"}}}
    for key in reversed(path):
        patch = {key: patch}
    return patch

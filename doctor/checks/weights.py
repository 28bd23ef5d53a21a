"""Weights: whether they make sense, and who writes them."""

from collections.abc import Iterator

from doctor.check import ANYWHERE, check
from doctor.dig import Document, mapping, parts, text, whole
from doctor.model import Inventory, Object, Place, Severity, Sighting
from doctor.traffic import GATEWAY_API, ISTIO, destinations, rollouts, service_of

WHOLE = 100


@check("BM203", Severity.WARNING, ANYWHERE)
def odd_weights(inventory: Inventory) -> Iterator[Sighting]:
    """The weights of a route do not add up to 100.

    Istio reads weights as shares, so 20 beside 20 is one half each, not a fifth. A sum of zero is worse:
    a VirtualService is refused, and an HTTPRoute answers every request with 500; that is an error.

    Write weights that add up to 100.
    """
    for route in inventory.of("VirtualService", group=ISTIO):
        for number, rule in enumerate(route.parts("spec", "http")):
            yield from _odd(route, f"spec.http[{number}].route", parts(rule, "route"), 0)
    for route in inventory.of("HTTPRoute", group=GATEWAY_API):
        for number, rule in enumerate(route.parts("spec", "rules")):
            # The Gateway API's default for a backend is 1.
            yield from _odd(route, f"spec.rules[{number}].backendRefs", parts(rule, "backendRefs"), 1)


def _odd(route: Object, field: str, targets: list[Document], default: int) -> Iterator[Sighting]:
    said = [whole(target, "weight") for target in targets]
    weights = [default if weight is None else weight for weight in said]
    if any(weight is not None for weight in said) and sum(weights) != WHOLE and (len(said) > 1 or 0 in said):
        yield Sighting(
            route,
            field,
            f"weights {' + '.join(map(str, weights))} = {sum(weights)}",
            "set the weights so that they add up to 100",
            None if sum(weights) else Severity.ERROR,
        )


@check("BM204", Severity.ERROR)
def weights_in_a_file(inventory: Inventory) -> Iterator[Sighting]:
    """A file holds the route of a Service whose weights a rollout decides.

    spec.http and spec.rules are atomic lists: whoever applies the file (Helm, Argo CD, Flux) takes the
    whole route over and resets the weights in mid-rollout; the controller writes them back, and the two
    fight on.

    Take the route out of the file; the controller makes it from spec.routing of the ModelRollout.
    """
    if inventory.place is not Place.FILES:
        return
    judged = {(each.namespace, text(each.body, "spec", "service")): each for each in rollouts(inventory)}
    seen: set[str] = set()
    for each in destinations(inventory):
        rollout = judged.get((each.namespace, each.service))
        if rollout is not None and str(each.route) not in seen:
            seen.add(str(each.route))
            yield Sighting(
                each.route,
                each.field,
                f"it leads to {each.service}, which {rollout} is about",
                f"delete {each.route} from the file and say its hosts, gateways and retries in {rollout}, "
                "spec.routing",
            )


@check("BM208", Severity.WARNING)
def two_rules_for_a_host(inventory: Inventory) -> Iterator[Sighting]:
    """Several DestinationRules are about one host.

    Istio merges their subsets and takes the traffic policy of the oldest alone: outlier detection and
    connection limits of the others are ignored. A rollout's controller writes one rule for its Service.

    Put the policy into one DestinationRule.
    """
    first: dict[tuple[str, str], Object] = {}
    for rule in inventory.of("DestinationRule", group=ISTIO):
        place = service_of(text(rule.body, "spec", "host"), rule.namespace)
        if place is None or mapping(rule.body, "spec", "workloadSelector"):
            continue
        other = first.setdefault(place, rule)
        if other is not rule:
            yield Sighting(
                rule,
                "spec.host",
                f"{text(rule.body, 'spec', 'host')}, which {other} is about as well",
                f"move the subsets and the trafficPolicy of {rule} into {other} and delete the former",
            )

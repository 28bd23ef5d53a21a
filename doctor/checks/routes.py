"""Routes that fight over one host, and gateways that are not there."""

from collections.abc import Iterator
from itertools import combinations

import durationpy

from doctor.check import ANYWHERE, check
from doctor.dig import listed, text, whole
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.traffic import (
    GATEWAY_API,
    ISTIO,
    SIDECARS,
    Destination,
    destinations,
    gateways,
    hosts,
    overlap,
)


def _virtual_services(inventory: Inventory) -> list[Object]:
    return list(inventory.of("VirtualService", group=ISTIO))


def _common_hosts(one: Object, other: Object) -> list[str]:
    return sorted(
        {max(mine, yours, key=len) for mine in hosts(one) for yours in hosts(other) if overlap(mine, yours)}
    )


def _common_services(one: Object, other: Object, ends: list[Destination]) -> set[tuple[str, str]]:
    def of(route: Object) -> set[tuple[str, str]]:
        return {(each.namespace, each.service) for each in ends if each.route is route}

    return of(one) & of(other)


@check("BM201", Severity.ERROR)
def two_kinds_of_routes(inventory: Inventory) -> Iterator[Sighting]:
    """A VirtualService and an HTTPRoute answer to one host.

    Istio does not merge the two: which of them wins depends on the gateway and on the age of the objects,
    so the weights that somebody reads are not the weights that requests meet.

    Keep one of the two; a ModelRollout says which by spec.routing.style.
    """
    ends = list(destinations(inventory))
    for one in _virtual_services(inventory):
        for other in inventory.of("HTTPRoute", group=GATEWAY_API):
            common = _common_hosts(one, other)
            same = set(hosts(one)) & set(hosts(other)) or _common_services(one, other, ends)
            if common and same:
                yield Sighting(
                    one,
                    "spec.hosts",
                    f"{listed(common)}, which {other} answers to as well",
                    f"kubectl -n {one.namespace} delete virtualservice {one.name}, "
                    f"or kubectl -n {other.namespace} delete httproute {other.name}",
                )


@check("BM202", Severity.WARNING)
def two_virtual_services(inventory: Inventory) -> Iterator[Sighting]:
    """Several VirtualServices answer to one host at one gateway.

    At a gateway Istio appends their rules in no promised order; for sidecars it takes the oldest alone
    and ignores the others. Whoever comes second changes weights that nobody obeys. It is an error among
    sidecars, and where both lead to the same Service.

    Put all rules of the host into one VirtualService, or give each a host of its own.
    """
    ends = list(destinations(inventory))
    for one, other in combinations(_virtual_services(inventory), 2):
        common = sorted(set(hosts(one)) & set(hosts(other)))
        shared = sorted(set(gateways(one)) & set(gateways(other)))
        if common and shared:
            bad = SIDECARS in shared or _common_services(one, other, ends)
            yield Sighting(
                one,
                "spec.hosts",
                f"{listed(common)} at {listed(shared)}, which {other} answers to as well",
                f"move the rules of {other} into {one}, then kubectl -n {other.namespace} delete "
                f"virtualservice {other.name}",
                Severity.ERROR if bad else None,
            )


@check("BM206", Severity.ERROR, ANYWHERE)
def gateway_missing(inventory: Inventory) -> Iterator[Sighting]:
    """A route is bound to a gateway that does not exist.

    The route is accepted and used by nobody: requests at the gateway are answered with 404.

    Create the gateway, or name one that exists as namespace/name.
    """
    for kind, group in (("VirtualService", ISTIO), ("HTTPRoute", GATEWAY_API)):
        for route in inventory.of(kind, group=group):
            for name in gateways(route):
                namespace, _, short = name.rpartition("/")
                there = [each.name for each in inventory.of("Gateway", group=group, namespace=namespace)]
                if name != SIDECARS and short not in there and _knows(inventory, group, namespace):
                    yield Sighting(
                        route,
                        "spec.gateways" if kind == "VirtualService" else "spec.parentRefs",
                        f"{name}; the gateways in {namespace} are {listed(there)}",
                        f"kubectl get gateways.{group} -A shows what there is; correct the name in {route}",
                    )


def _knows(inventory: Inventory, group: str, namespace: str) -> bool:
    seen = inventory.sees("Gateway", namespace)
    return seen and (inventory.served is not None or any(True for _ in inventory.of("Gateway", group=group)))


@check("BM207", Severity.ERROR, ANYWHERE)
def impatient_route(inventory: Inventory) -> Iterator[Sighting]:
    """A route's timeout is shorter than the time for a single try.

    No try can end by its own limit, so no request is ever tried again: the retries are there in name
    only.

    Raise timeout above retries.perTryTimeout, or lower the latter.
    """
    for route in _virtual_services(inventory):
        for number, rule in enumerate(route.parts("spec", "http")):
            total, each = seconds(text(rule, "timeout")), seconds(text(rule, "retries", "perTryTimeout"))
            if total and each and total < each:
                yield Sighting(
                    route,
                    f"spec.http[{number}].timeout",
                    f"{text(rule, 'timeout')}, perTryTimeout {text(rule, 'retries', 'perTryTimeout')}",
                    f"set perTryTimeout to at most {total / 2:g}s (spec.routing.retries in a ModelRollout)",
                )


@check("BM209", Severity.ERROR)
def port_left_out(inventory: Inventory) -> Iterator[Sighting]:
    """A destination names no port, and its Service has several.

    Istio then takes the port that the request came in by. Behind a gateway with TLS, or on another port than
    the Service's, that is one which the Service does not have: the answer is 503.

    Name it in destination.port.number; the controller does so in the routes of ModelRollouts.
    """
    told: set[tuple[str, str]] = set()
    for each in destinations(inventory):
        service = inventory.find("Service", each.namespace, each.service)
        key = (str(each.route), each.service)
        if each.route.kind != "VirtualService" or each.port is not None or service is None or key in told:
            continue
        numbers = [str(whole(port, "port")) for port in service.parts("spec", "ports")]
        if len(numbers) > 1:
            told.add(key)
            yield Sighting(
                each.route,
                f"{each.field}.port",
                f"none, and {service} has {listed(numbers)}",
                f"set port: {{number: {numbers[0]}}}, or whichever is meant, in {each.field} of {each.route}",
            )


def seconds(written: str) -> float | None:
    """Return a duration in Go's form as seconds: ``1m30s``, ``500ms``; None if it is none."""
    try:
        return durationpy.from_str(written).total_seconds() if written else None
    except durationpy.DurationError:
        return None

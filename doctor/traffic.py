"""Where routes lead: VirtualServices, HTTPRoutes and ModelRollouts, read alike."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from doctor.dig import Document, mapping, parts, text, whole, words
from doctor.model import Inventory, Object
from doctor.pods import Workload, selected

ISTIO: Final = "networking.istio.io"
GATEWAY_API: Final = "gateway.networking.k8s.io"
BERTMESH: Final = "bertmesh.dev"
SIDECARS: Final = "mesh"
DOMAIN: Final = "svc.cluster.local"


@dataclass(frozen=True)
class Destination:
    """One end of a route: a Service and perhaps a subset, with its weight and its port if it has them."""

    route: Object
    field: str
    namespace: str
    service: str
    subset: str = ""
    weight: int | None = None
    port: int | None = None

    @property
    def host(self) -> str:
        """The Service's full name."""
        return f"{self.service}.{self.namespace}.{DOMAIN}"


def full_host(host: str, namespace: str) -> str:
    """Return a host as Istio reads it: a short name is a Service of the route's own namespace."""
    return f"{host}.{namespace}.{DOMAIN}" if host and "." not in host and "*" not in host else host


def service_of(host: str, namespace: str) -> tuple[str, str] | None:
    """Return namespace and name of the Service that a host is, or None for a host elsewhere."""
    whole_name = full_host(host, namespace)
    name, _, rest = whole_name.partition(".")
    place, _, domain = rest.partition(".")
    # A cluster may have another domain than the usual one.
    return (place, name) if domain == "svc" or domain.startswith("svc.") else None


def destinations(inventory: Inventory) -> Iterator[Destination]:
    """Yield where every route leads, mirrors included."""
    for route in inventory.of("VirtualService", group=ISTIO):
        yield from _of_virtual_service(route)
    for route in inventory.of("HTTPRoute", "GRPCRoute", group=GATEWAY_API):
        yield from _of_http_route(route)


def _of_virtual_service(route: Object) -> Iterator[Destination]:
    for number, rule in enumerate(route.parts("spec", "http")):
        place = f"spec.http[{number}]"
        for index, target in enumerate(parts(rule, "route")):
            yield from _destination(
                route, f"{place}.route[{index}].destination", mapping(target, "destination"),
                whole(target, "weight"),
            )  # fmt: skip
        yield from _destination(route, f"{place}.mirror", mapping(rule, "mirror"), None)
        for index, mirror in enumerate(parts(rule, "mirrors")):
            yield from _destination(
                route, f"{place}.mirrors[{index}].destination", mapping(mirror, "destination"), None
            )


def _destination(route: Object, field: str, target: Document, weight: int | None) -> Iterator[Destination]:
    found = service_of(text(target, "host"), route.namespace)
    if found is not None:
        port = whole(target, "port", "number")
        yield Destination(route, field, *found, text(target, "subset"), weight, port)


def _of_http_route(route: Object) -> Iterator[Destination]:
    for number, rule in enumerate(route.parts("spec", "rules")):
        place = f"spec.rules[{number}]"
        for index, backend in enumerate(parts(rule, "backendRefs")):
            yield from _backend(route, f"{place}.backendRefs[{index}]", backend, whole(backend, "weight"))
        for index, each in enumerate(parts(rule, "filters")):
            backend = mapping(each, "requestMirror", "backendRef")
            yield from _backend(route, f"{place}.filters[{index}].requestMirror.backendRef", backend, None)


def _backend(route: Object, field: str, backend: Document, weight: int | None) -> Iterator[Destination]:
    name = text(backend, "name")
    if name and text(backend, "kind") in ("", "Service"):
        yield Destination(route, field, text(backend, "namespace") or route.namespace, name, weight=weight)


def rollouts(inventory: Inventory) -> Iterator[Object]:
    """Yield the ModelRollouts."""
    yield from inventory.of("ModelRollout", group=BERTMESH)


def routed_services(inventory: Inventory) -> list[Object]:
    """Return the Services that a route or a rollout leads to."""
    wanted = {(each.namespace, each.service) for each in destinations(inventory)}
    wanted |= {(each.namespace, text(each.body, "spec", "service")) for each in rollouts(inventory)}
    return [each for each in inventory.of("Service") if (each.namespace, each.name) in wanted]


def routed_workloads(inventory: Inventory) -> list[Workload]:
    """Return the workloads whose pods get requests by a route or a rollout."""
    found = [each for service in routed_services(inventory) for each in selected(inventory, service)]
    return list({str(each): each for each in found}.values())


def hosts(route: Object) -> list[str]:
    """Return the hosts that a route answers to, ``*`` for all."""
    if route.kind == "VirtualService":
        return [full_host(host, route.namespace) for host in words(route.body, "spec", "hosts")]
    parents = route.parts("spec", "parentRefs")
    called = [each for each in parents if text(each, "kind") == "Service"]
    inside = [full_host(text(each, "name"), text(each, "namespace") or route.namespace) for each in called]
    # The hostnames are for gateways; whoever calls a Service is known by its name.
    outside = words(route.body, "spec", "hostnames") or ["*"]
    return [*inside, *(outside if len(called) < len(parents) or not parents else ())]


def gateways(route: Object) -> list[str]:
    """Return the gateways of a route as ``namespace/name``; the sidecars are ``mesh``."""
    if route.kind == "VirtualService":
        named = words(route.body, "spec", "gateways") or [SIDECARS]
        return [each if each == SIDECARS or "/" in each else f"{route.namespace}/{each}" for each in named]
    return [
        SIDECARS
        if text(each, "kind") == "Service"
        else f"{text(each, 'namespace') or route.namespace}/{text(each, 'name')}"
        for each in route.parts("spec", "parentRefs")
    ]


def overlap(one: str, other: str) -> bool:
    """Tell whether two hosts, which may begin with ``*``, can be the same."""
    if one.startswith("*") and other.startswith("*"):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    if one.startswith("*"):
        return other.endswith(one[1:])
    return one.endswith(other[1:]) if other.startswith("*") else one == other

"""Whom a route is given to: the gateways that it names, the sidecars of callers, and under which hosts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mesh.model import DOMAIN, full_name
from mesh.routing import SIDECARS

ANY: Final = "*"
SOME_HOST: Final = "bertmesh.invalid"
"""A host for where every host will do."""

Document = Mapping[str, Any]
GatewayName = tuple[str, str, str]
"""apiVersion, namespace and name: Istio and the Gateway API have a Gateway each."""


@dataclass(frozen=True)
class Parents:
    """Whom a route is given to.

    ``hosts`` are those under which gateways answer. ``inside`` are those under which callers inside the mesh
    are routed so, none if these do not hold it.
    """

    gateways: tuple[GatewayName, ...]
    hosts: tuple[str, ...]
    inside: tuple[str, ...] = ()

    @property
    def sidecars(self) -> bool:
        """Whether callers inside the mesh hold it, too."""
        return bool(self.inside)


def parents_of(route: Document, domain: str = DOMAIN) -> Parents:
    """Return whom a VirtualService or an HTTPRoute is given to."""
    if route["kind"] == "VirtualService":
        return _of_virtual_service(route, domain)
    return _of_http_route(route, domain)


def _of_virtual_service(route: Document, domain: str) -> Parents:
    own, spec = route["metadata"]["namespace"], route["spec"]
    named = spec.get("gateways") or [SIDECARS]
    gateways = (name.rpartition("/") for name in named if name != SIDECARS)
    found = tuple((route["apiVersion"], place or own, name) for place, _, name in gateways)
    hosts = tuple(_full(host, own, domain) for host in spec["hosts"])
    return Parents(found, hosts, hosts if SIDECARS in named else ())


def _full(host: str, namespace: str, domain: str) -> str:
    return host if "." in host or host == ANY else full_name(host, namespace, domain)


def _of_http_route(route: Document, domain: str) -> Parents:
    own, spec = route["metadata"]["namespace"], route["spec"]
    named = spec.get("parentRefs", ())
    gateways = (each for each in named if each.get("kind", "Gateway") == "Gateway")
    found = ((route["apiVersion"], each.get("namespace", own), each["name"]) for each in gateways)
    # Callers of a Service are routed by its name, whatever the route's hosts are.
    inside = tuple(
        full_name(each["name"], each.get("namespace", own), domain)
        for each in named
        if each.get("kind") == "Service"
    )
    # A gateway may be named twice, for two of its listeners.
    return Parents(tuple(dict.fromkeys(found)), tuple(spec.get("hostnames") or (ANY,)), inside)


def common_host(hosts: Sequence[str], allowed: Iterable[str]) -> str | None:
    """Return a host that a route answers to and that a server of a gateway takes, or None without one.

    Both sides may be ``*`` or begin with ``*.``; what is returned is a host that a request can name.
    """
    taken = list(allowed)
    return next((both for host in hosts for other in taken if (both := _both(host, other))), None)


def _both(one: str, other: str) -> str | None:
    for narrow, wide in ((one, other), (other, one)):
        if wide in {narrow, ANY} or (wide.startswith("*.") and narrow.endswith(wide[1:])):
            return SOME_HOST if narrow == ANY else narrow.replace(ANY, "bertmesh")
    return None


def pinned_request(route: Document, version: str) -> tuple[str, Mapping[str, str]] | None:
    """Return path and headers of a request that the route pins to a version; None if it pins none."""
    field = "http" if route["kind"] == "VirtualService" else "rules"
    rule = next((each for each in route["spec"][field] if each.get("name") == f"pin-{version}"), None)
    match = next(iter((rule or {}).get("match") or (rule or {}).get("matches") or ()), None)
    if match is None:
        return None
    return (_path(match.get("uri") or match.get("path") or {}), dict(_headers(match.get("headers", {}))))


def _path(matched: Document) -> str:
    found: str = matched.get("value") or matched.get("prefix") or matched.get("exact") or "/"
    return found


def _headers(matched: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a mapping in the one kind, a list in the other
    if isinstance(matched, Mapping):
        yield from ((name, each.get("exact", "any")) for name, each in matched.items())
    else:
        yield from ((each["name"], each["value"] if each["type"] == "Exact" else "any") for each in matched)

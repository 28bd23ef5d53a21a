"""The intermediate representation as Gateway API documents: an HTTPRoute, and a Service for each version.

Two things that Istio's own routes can do cannot be said here: retries (the standard channel has none; the
gateway's own apply), and an answer of the gateway itself other than a redirect. So requests for probes and
for unknown versions go to a pod of the stable version, under a path that no pod has and that says what is
wrong: it answers 404 with that path in a sentence. A rule without a backend would give a bare 500.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from mesh import cohorts, duration
from mesh.errors import InvalidMesh
from mesh.istio import GRPC_CONTENT, GRPC_RULE
from mesh.model import Mesh, subset_name
from mesh.policy import MAX_PERCENT
from mesh.problem import ASKED_FOR, ASKED_PATH, ASKED_RULE, HOST_NAME, POD_ONLY_PATHS
from mesh.routing import SIDECARS, HeaderMatch, RouteMatch, Routing
from mesh.shadow import MILLION, copied, parts
from observability.names import (
    ASK_HEADER,
    PROXY_HEADER,
    ROUTE_HEADER,
    SHADOW_HEADER,
    SPLIT_HEADER,
    VERSION_HEADER,
)

API_VERSION: Final = "gateway.networking.k8s.io/v1"
GROUP: Final = "gateway.networking.k8s.io"
MAX_NAME: Final = 63
MAX_RULES: Final = 16
ANY_VALUE: Final = ".*"
NOT_HERE: Final = "/only-the-pods-themselves-answer-this"
NO_VERSION: Final = "/no-such-model-version"
POD_ONLY: Final = "pod-only"
UNKNOWN: Final = "unknown-version"
COPIED: Final = ("split", "cohort-stable")
"""The rules whose requests may be copied."""

Document = dict[str, Any]


def render(mesh: Mesh, routing: Routing) -> list[Document]:
    """Return a Service for each version and the HTTPRoute, in this order.

    Raises:
        InvalidMesh: a Service's name, or the number of rules, would be beyond what Kubernetes takes.
    """
    return [*services(mesh), http_route(mesh, routing)]


def service_name(service: str, version: str) -> str:
    """Return the name of the Service of one version: ``bert-v1-0``.

    Raises:
        InvalidMesh: it has more than 63 characters.
    """
    name = f"{service}-{subset_name(version)}"
    if len(name) > MAX_NAME:
        message = f"Service {name} has {len(name)} characters, {MAX_NAME} are allowed: shorten the version"
        raise InvalidMesh(message)
    return name


def services(mesh: Mesh) -> list[Document]:
    """Return a Service for each version, over the pods with its label, with the ports of the one for all."""
    return [_service(mesh, version) for version in mesh.names]


def _service(mesh: Mesh, version: str) -> Document:
    ports = [dict(each) for each in mesh.ports.listed]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service_name(mesh.service, version), "namespace": mesh.namespace},
        "spec": {"selector": {"app": mesh.service, "version": version}, "ports": ports},
    }


def http_route(mesh: Mesh, routing: Routing) -> Document:
    """Return the HTTPRoute; of rules that match alike the first wins, as in Istio.

    Raises:
        InvalidMesh: it would have more rules than the Gateway API takes.
    """
    rules = [_narrowed(rule, routing) for rule in _with_grpc(_rules(mesh, routing), mesh)]
    rules = [_asked(mesh), *(rule for rule in rules if rule["matches"])]
    if len(rules) > MAX_RULES:
        message = (
            f"an HTTPRoute has {MAX_RULES} rules at most, {len(mesh.names)} versions would make "
            f"{len(rules)}: "
            "remove versions that are not used, or set routing.headerPin to false"
        )
        raise InvalidMesh(message)
    hosts = [host for host in routing.hosts if host != "*"]
    spec = {
        "parentRefs": [_parent(name, mesh) for name in routing.gateways],
        **({"hostnames": hosts} if hosts else {}),
        "rules": rules,
    }
    metadata = {"name": mesh.service, "namespace": mesh.namespace}
    return {"apiVersion": API_VERSION, "kind": "HTTPRoute", "metadata": metadata, "spec": spec}


def _parent(gateway: str, mesh: Mesh) -> Document:
    """Return what the route belongs to; for callers inside the mesh it is the Service that they call."""
    if gateway == SIDECARS:
        return {"group": "", "kind": "Service", "name": mesh.service}
    namespace, _, name = gateway.rpartition("/")
    place = {"namespace": namespace} if namespace else {}
    return {"group": GROUP, "kind": "Gateway", "name": name, **place}


def _asked(mesh: Mesh) -> Document:
    """Return the rule by which each proxy says which split it holds.

    It is a redirect, since that is what the standard lets a gateway answer without a pod; nobody follows it.
    """
    redirect = {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/"}, "statusCode": 302}
    said = {SPLIT_HEADER: mesh.split.text, PROXY_HEADER: HOST_NAME}
    headers = {"set": [{"name": name, "value": value} for name, value in said.items()]}
    return {
        "name": ASKED_RULE,
        "matches": [_match("Exact", ASKED_PATH, [_header(ASK_HEADER, ASKED_FOR)])],
        "filters": [
            {"type": "RequestRedirect", "requestRedirect": redirect},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": headers},
        ],
    }


def _rules(mesh: Mesh, routing: Routing) -> Iterator[Document]:
    yield _refusal(mesh, POD_ONLY, NOT_HERE, [_match("Exact", path) for path in POD_ONLY_PATHS])
    if routing.header_pin:
        for version in mesh.names:
            yield _rule(mesh, f"pin-{version}", {version: 1}, _header(VERSION_HEADER, version))
        pinned = [_match(headers=[_header(VERSION_HEADER, None)])]
        yield _refusal(mesh, UNKNOWN, NO_VERSION, pinned)
    canary, weight = mesh.split.canary, mesh.split.weights.canary
    if routing.cohort_header and canary and 0 < weight < mesh.split.weights.stable + weight:
        inside = _pattern(routing.cohort_header, cohorts.below(weight))
        yield _rule(mesh, "cohort-canary", {canary: 1}, inside)
        outside = _pattern(routing.cohort_header, cohorts.ALL)
        stay = _rule(mesh, "cohort-stable", {mesh.split.stable: 1}, outside)
        yield {**stay, **_mirror(mesh, mesh.split.mirror * (MILLION // MAX_PERCENT))}
    split = _rule(mesh, "split", dict(parts(mesh.split)))
    yield {**split, **_mirror(mesh, copied(mesh.split))}


def _with_grpc(rules: Iterable[Document], mesh: Mesh) -> Iterator[Document]:
    """Yield the rules; where there is a port for gRPC, each that leads to versions comes before its like.

    Of two rules that match the one with more headers wins, so what is refused is refused by gRPC, too.
    """
    for rule in rules:
        port = mesh.ports.grpc
        called = [match for match in map(_by_grpc, rule["matches"]) if rule["name"] != POD_ONLY]
        if port is None or not called:
            yield rule
        elif rule["name"] == UNKNOWN:
            yield {**rule, "matches": [*called, *rule["matches"]]}
        else:
            backends = [{**backend, "port": port} for backend in rule["backendRefs"]]
            twin = {**rule, "name": f"{GRPC_RULE}{rule['name']}", "matches": called, "backendRefs": backends}
            yield {**twin, **_mirrored_to(rule, port)}
            yield rule


def _by_grpc(match: Document) -> Document:
    called = _pattern("content-type", f"{GRPC_CONTENT}.*")
    return {**match, "headers": [*match.get("headers", ()), called]}


def _mirrored_to(rule: Document, port: int) -> Document:
    """Return the filters of a rule with another port of those that get copies."""
    mirrors = [each["requestMirror"] for each in rule.get("filters", ())]
    changed = [{**each, "backendRef": {**each["backendRef"], "port": port}} for each in mirrors]
    filters = [{"type": "RequestMirror", "requestMirror": each} for each in changed]
    return {"filters": filters} if filters else {}


def _rule(mesh: Mesh, name: str, shares: Mapping[str, int], *headers: Document) -> Document:
    return {
        "name": name,
        "matches": [_match(headers=list(headers))],
        "backendRefs": [
            _backend(mesh, version, weight, told=name in COPIED) for version, weight in shares.items()
        ],
        "timeouts": _timeouts(mesh),
    }


def _refusal(mesh: Mesh, name: str, path: str, matches: list[Document]) -> Document:
    """Return a rule whose requests are answered with 404, by a pod that has no such path."""
    change = {"path": {"type": "ReplaceFullPath", "replaceFullPath": path}}
    return {
        "name": name,
        "matches": matches,
        "filters": [{"type": "URLRewrite", "urlRewrite": change}],
        "backendRefs": [_backend(mesh, mesh.split.stable, 1, told=False)],
        "timeouts": _timeouts(mesh),
    }


def _timeouts(mesh: Mesh) -> Document:
    each = min(mesh.policy.retries.per_try_timeout_s, mesh.policy.timeout_s)
    tries = {"backendRequest": duration.text(each)} if mesh.policy.retries.attempts else {}
    return {"request": duration.text(mesh.policy.timeout_s), **tries}


def _backend(mesh: Mesh, version: str, weight: int, *, told: bool) -> Document:
    shadowed = mesh.split.shadowed if told and version == mesh.split.stable else None
    route = {"name": ROUTE_HEADER, "value": version}
    change = (
        {"set": [route, {"name": SHADOW_HEADER, "value": shadowed}]}
        if shadowed
        else {"set": [route], "remove": [SHADOW_HEADER]}
    )
    named = {"type": "RequestHeaderModifier", "requestHeaderModifier": change}
    return {**_reference(mesh, version), "weight": weight, "filters": [named]}


def _reference(mesh: Mesh, version: str) -> Document:
    return {
        "group": "",
        "kind": "Service",
        "name": service_name(mesh.service, version),
        "port": mesh.ports.http,
    }


def _mirror(mesh: Mesh, share: int) -> Document:
    """Return the filter that copies so many requests of a million."""
    shadowed = mesh.split.shadowed
    if shadowed is None:
        return {}
    percent, rest = divmod(share, MILLION // MAX_PERCENT)
    part = {"fraction": {"numerator": share, "denominator": MILLION}} if rest else {"percent": percent}
    mirror = {"backendRef": _reference(mesh, shadowed), **part}
    return {"filters": [{"type": "RequestMirror", "requestMirror": mirror}]}


def _match(kind: str = "PathPrefix", path: str = "/", headers: list[Document] | None = None) -> Document:
    named = {"headers": headers} if headers else {}
    return {"path": {"type": kind, "value": path}, **named}


def _header(name: str, value: str | None) -> Document:
    return _pattern(name, ANY_VALUE) if value is None else {"type": "Exact", "name": name, "value": value}


def _pattern(name: str, regex: str) -> Document:
    return {"type": "RegularExpression", "name": name, "value": regex}


def _narrowed(rule: Document, routing: Routing) -> Document:
    """Return the rule for those requests alone that the rollout is about."""
    wanted = routing.match or (RouteMatch(),)
    both = [_both(match, narrow) for match in rule["matches"] for narrow in wanted]
    return {**rule, "matches": [match for match in both if match is not None]}


def _both(match: Document, narrow: RouteMatch) -> Document | None:
    """Return what both match, or None where nothing can."""
    path = match["path"]
    if path["type"] == "PathPrefix":
        path = {"type": "PathPrefix", "value": narrow.path_prefix or path["value"]}
    elif not path["value"].startswith(narrow.path_prefix or "/"):
        return None
    headers = [*match.get("headers", ()), *(_wanted(header) for header in narrow.headers)]
    return {"path": path, **({"headers": headers} if headers else {})}


def _wanted(header: HeaderMatch) -> Document:
    return _header(header.name, header.exact)

"""Istio's documents in the shape a cluster needs: gateways, matches, cohorts, a Service per version."""

from collections.abc import Iterator
from typing import Any

from mesh import cohorts, istio
from mesh.gateway_api import service_name, services
from mesh.model import Mesh, full_name, subset_name
from mesh.policy import MAX_PERCENT
from mesh.routing import RouteMatch, Routing, Style

Document = dict[str, Any]


def render(mesh: Mesh, routing: Routing) -> list[Document]:
    """Return the documents in the order in which they must be written: targets first, then the route.

    Raises:
        InvalidMesh: a Service's name would be too long.
    """
    if routing.style is Style.SUBSETS:
        return [istio.destination_rule(mesh), virtual_service(mesh, routing)]
    return [
        *services(mesh),
        *(_rule_of_version(mesh, version) for version in mesh.names),
        virtual_service(mesh, routing),
    ]


def _rule_of_version(mesh: Mesh, version: str) -> Document:
    """Return the DestinationRule of a version's own Service: the same policy, no subsets."""
    document = istio.destination_rule(mesh)
    name = service_name(mesh.service, version)
    policy = document["spec"]["trafficPolicy"]
    return {
        **document,
        "metadata": {"name": name, "namespace": mesh.namespace},
        "spec": {"host": full_name(name, mesh.namespace, mesh.domain), "trafficPolicy": policy},
    }


def virtual_service(mesh: Mesh, routing: Routing) -> Document:
    """Return the VirtualService."""
    document = istio.virtual_service(mesh)
    rules = list(_shaped(mesh, routing, istio.rules(mesh)))
    if routing.style is Style.SERVICES:
        rules = [_to_services(rule, mesh) for rule in rules]
    both = istio.with_grpc(rules, mesh.ports)
    told = [istio.asked_route(mesh), *both]
    spec: Document = {"hosts": list(routing.hosts) or [mesh.host], "http": told}
    if routing.gateways:
        spec["gateways"] = list(routing.gateways)
    return {**document, "spec": spec}


def _shaped(mesh: Mesh, routing: Routing, rules: list[Document]) -> Iterator[Document]:
    for rule in rules:
        if rule["name"] == "split":
            yield from (_narrowed(cohort, routing) for cohort in _cohorts(mesh, routing, rule))
        if routing.header_pin or not (rule["name"].startswith("pin-") or rule["name"] == "unknown-version"):
            narrowed = _narrowed(rule, routing)
            # No match at all would be every request.
            if narrowed.get("match") != []:
                yield narrowed


def _cohorts(mesh: Mesh, routing: Routing, split: Document) -> Iterator[Document]:
    weight = mesh.split.weights.canary
    if not routing.cohort_header or not 0 < weight < MAX_PERCENT:
        return
    stable, canary = split["route"]
    sides = (
        ("cohort-canary", canary, cohorts.below(weight)),
        ("cohort-stable", stable, cohorts.ALL),
    )
    for name, target, regex in sides:
        match = [{"headers": {routing.cohort_header: {"regex": regex}}}]
        whole = {key: value for key, value in target.items() if key != "weight"}
        yield {
            **_copied(split, mesh, of_stable=target is stable),
            "name": name,
            "match": match,
            "route": [whole],
        }


def _copied(split: Document, mesh: Mesh, *, of_stable: bool) -> Document:
    """Return the rule of one side alone: all of its requests are the stable's, or none is."""
    if "mirror" not in split:
        return split
    if of_stable:
        return {**split, "mirrorPercentage": {"value": float(mesh.split.mirror)}}
    return {key: value for key, value in split.items() if not key.startswith("mirror")}


def _narrowed(rule: Document, routing: Routing) -> Document:
    """Return the rule for those requests alone that the rollout is about."""
    if not routing.match:
        return rule
    both = [_both(match, narrow) for match in rule.get("match", [{}]) for narrow in routing.match]
    return {**rule, "match": [match for match in both if match is not None]}


def _both(match: Document, narrow: RouteMatch) -> Document | None:
    """Return what both match, or None where nothing can."""
    # An empty match means that the header is there, whatever it says.
    headers = {
        header.name: {} if header.exact is None else {"exact": header.exact} for header in narrow.headers
    }
    both = {**match, **({"headers": {**headers, **match.get("headers", {})}} if headers else {})}
    if narrow.path_prefix is None:
        return both
    if "uri" not in match:
        return {**both, "uri": {"prefix": narrow.path_prefix}}
    return both if match["uri"]["exact"].startswith(narrow.path_prefix) else None


def _to_services(rule: Document, mesh: Mesh) -> Document:
    """Return a rule over subsets as one over the versions' own Services."""
    names = {
        subset_name(version): full_name(service_name(mesh.service, version), mesh.namespace, mesh.domain)
        for version in mesh.names
    }

    def moved(address: Document) -> Document:
        return {"host": names[address["subset"]], "port": address["port"]}

    changed = dict(rule)
    if "route" in rule:
        changed["route"] = [
            {**target, "destination": moved(target["destination"])} for target in rule["route"]
        ]
    if "mirror" in rule:
        changed["mirror"] = moved(rule["mirror"])
    return changed

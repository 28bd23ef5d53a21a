"""The intermediate representation as Istio documents: VirtualService, DestinationRule, Gateway."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mesh import duration
from mesh.model import Mesh, Version, subset_name
from mesh.policy import MAX_PERCENT, ConnectionPool, OutlierDetection, Policy, Retries
from mesh.ports import Ports
from mesh.problem import (
    ASKED_FOR,
    ASKED_PATH,
    ASKED_RULE,
    CONTENT_TYPE,
    HOST_NAME,
    POD_ONLY_PATHS,
    pod_only,
    unknown_version,
)
from mesh.shadow import MILLION, copied, parts
from observability.names import (
    ASK_HEADER,
    PROXY_HEADER,
    ROUTE_HEADER,
    SHADOW_HEADER,
    SPLIT_HEADER,
    VERSION_HEADER,
)

API_VERSION = "networking.istio.io/v1"
GATEWAY_PORT = 80
GRPC_CONTENT = "application/grpc"
"""How the content type of every request by gRPC begins."""
GRPC_RULE = "grpc-"
"""What the name of a rule for gRPC begins with; a version may end with anything."""

Document = dict[str, Any]


def render(mesh: Mesh) -> list[Document]:
    """Return the VirtualService, the DestinationRule and the Gateway of ``mesh``, in this order."""
    return [virtual_service(mesh), destination_rule(mesh), gateway(mesh)]


def virtual_service(mesh: Mesh) -> Document:
    """Return the routes."""
    http = list(with_grpc(rules(mesh), mesh.ports))
    spec = {"hosts": list(mesh.hosts), "gateways": [mesh.gateway], "http": http}
    return _document("VirtualService", mesh.service, mesh, spec)


def rules(mesh: Mesh) -> list[Document]:
    """Return the rules for HTTP; the order matters, since Istio takes the first that matches."""
    return [
        _pod_only_route(),
        *(_pin_route(mesh, version) for version in mesh.versions),
        _unknown_version_route(mesh),
        _split_route(mesh),
    ]


def with_grpc(plain: Iterable[Document], ports: Ports) -> Iterator[Document]:
    """Yield the rules; where there is a port for gRPC, each that leads there comes before its like."""
    for rule in plain:
        if ports.grpc is not None and "route" in rule:
            yield _by_grpc(rule, ports.grpc)
        yield rule


def _by_grpc(rule: Document, port: int) -> Document:
    called = {"content-type": {"prefix": GRPC_CONTENT}}
    match = [{**each, "headers": {**each.get("headers", {}), **called}} for each in rule.get("match", [{}])]
    route = [
        {**target, "destination": {**target["destination"], "port": {"number": port}}}
        for target in rule["route"]
    ]
    mirror = {"mirror": {**rule["mirror"], "port": {"number": port}}} if "mirror" in rule else {}
    return {**rule, "name": f"{GRPC_RULE}{rule['name']}", "match": match, "route": route, **mirror}


def asked_route(mesh: Mesh) -> Document:
    """Return the rule by which each proxy says which split it holds; no pod is asked.

    All rules of a route reach an Envoy in one RouteConfiguration: who answers so has the other rules, too.
    """
    match = [{"uri": {"exact": ASKED_PATH}, "headers": {ASK_HEADER: {"exact": ASKED_FOR}}}]
    said = {SPLIT_HEADER: mesh.split.text, PROXY_HEADER: HOST_NAME}
    return {
        "name": ASKED_RULE,
        "match": match,
        "directResponse": {"status": 204},
        "headers": {"response": {"set": said}},
    }


def destination_rule(mesh: Mesh) -> Document:
    """Return the subsets, a version each, and what holds for the connections to all of them."""
    spec = {
        "host": mesh.host,
        "trafficPolicy": {
            "loadBalancer": {"simple": "LEAST_REQUEST", **_warmup(mesh.policy)},
            "connectionPool": _connection_pool(mesh.policy.connection_pool),
            "outlierDetection": _outlier_detection(mesh.policy.outlier_detection),
        },
        "subsets": [
            {"name": version.subset, "labels": {"version": version.name}} for version in mesh.versions
        ],
    }
    return _document("DestinationRule", mesh.service, mesh, spec)


def gateway(mesh: Mesh) -> Document:
    """Return the Gateway that lets the requests in."""
    port = {"number": GATEWAY_PORT, "name": "http", "protocol": "HTTP"}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [{"port": port, "hosts": list(mesh.hosts)}]}
    return _document("Gateway", mesh.gateway, mesh, spec)


def _document(kind: str, name: str, mesh: Mesh, spec: Document) -> Document:
    metadata = {"name": name, "namespace": mesh.namespace}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _pod_only_route() -> Document:
    match = [{"uri": {"exact": path}} for path in POD_ONLY_PATHS]
    return {"name": "pod-only", "match": match, **_direct_response(pod_only())}


def _pin_route(mesh: Mesh, version: Version) -> Document:
    return {
        "name": f"pin-{version.name}",
        "match": [{"headers": {VERSION_HEADER: {"exact": version.name}}}],
        "route": [_destination(mesh, version.name)],
        **_resilience(mesh.policy),
    }


def _unknown_version_route(mesh: Mesh) -> Document:
    # An empty match means that the header is there, whatever it says.
    match: list[Document] = [{"headers": {VERSION_HEADER: {}}}]
    return {"name": "unknown-version", "match": match, **_direct_response(unknown_version(mesh.names))}


def _split_route(mesh: Mesh) -> Document:
    split = mesh.split
    return {
        "name": "split",
        "route": [{**_side(mesh, name), "weight": weight} for name, weight in parts(split)],
        **_mirror(mesh),
        **_resilience(mesh.policy),
    }


def _destination(mesh: Mesh, version: str) -> Document:
    """Send to a version, and tell it which route was chosen: a mirrored copy keeps the other's name."""
    told = {"set": {ROUTE_HEADER: version}, "remove": [SHADOW_HEADER]}
    return {"destination": _address(mesh, version), "headers": {"request": told}}


def _side(mesh: Mesh, version: str) -> Document:
    """Send to a side of the split; the stable's pods learn which canary may get copies of their requests."""
    shadowed = mesh.split.shadowed
    if shadowed is None or version != mesh.split.stable:
        return _destination(mesh, version)
    told = {"set": {ROUTE_HEADER: version, SHADOW_HEADER: shadowed}}
    return {"destination": _address(mesh, version), "headers": {"request": told}}


def _address(mesh: Mesh, version: str) -> Document:
    return {"host": mesh.host, "subset": subset_name(version), "port": {"number": mesh.ports.http}}


def _mirror(mesh: Mesh) -> Document:
    split = mesh.split
    if split.shadowed is None:
        return {}
    share = copied(split) * MAX_PERCENT / MILLION
    return {"mirror": _address(mesh, split.shadowed), "mirrorPercentage": {"value": share}}


def _resilience(policy: Policy) -> Document:
    return {"timeout": duration.text(policy.timeout_s), "retries": _retries(policy.retries)}


def _retries(retries: Retries) -> Document:
    if not retries.attempts:
        return {"attempts": 0}
    return {
        "attempts": retries.attempts,
        "perTryTimeout": duration.text(retries.per_try_timeout_s),
        # Istio takes the status codes in the same list.
        "retryOn": ",".join([*retries.conditions, *map(str, retries.status_codes)]),
    }


def _direct_response(body: Mapping[str, Any]) -> Document:
    text = json.dumps(body, ensure_ascii=False)
    return {
        "directResponse": {"status": body["status"], "body": {"string": text}},
        "headers": {"response": {"set": {"content-type": CONTENT_TYPE}}},
    }


def _warmup(policy: Policy) -> Document:
    return {"warmup": {"duration": duration.text(policy.warmup_s)}} if policy.warmup_s else {}


def _connection_pool(pool: ConnectionPool) -> Document:
    return {
        "tcp": {
            "maxConnections": pool.max_connections,
            "connectTimeout": duration.text(pool.connect_timeout_s),
        },
        "http": {
            "http1MaxPendingRequests": pool.max_pending_requests,
            "http2MaxRequests": pool.max_requests,
            "maxRetries": pool.max_retries,
            "idleTimeout": duration.text(pool.idle_timeout_s),
        },
    }


def _outlier_detection(outlier: OutlierDetection) -> Document:
    return {
        "consecutive5xxErrors": outlier.consecutive_5xx_errors,
        "interval": duration.text(outlier.interval_s),
        "baseEjectionTime": duration.text(outlier.base_ejection_time_s),
        "maxEjectionPercent": outlier.max_ejection_percent,
    }

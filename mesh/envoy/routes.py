"""The routes: pinned versions, unknown pins, and the weighted split."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mesh.envoy.clusters import cluster_name
from mesh.envoy.options import ROUTES_NAME
from mesh.envoy.shapes import Config, duration, extension, header, resources, typed
from mesh.model import Mesh
from mesh.policy import Policy, Retries
from mesh.problem import CONTENT_TYPE, POD_ONLY_PATHS, pod_only, unknown_version
from mesh.shadow import copied, parts
from observability.names import ROUTE_HEADER, SHADOW_HEADER, VERSION_HEADER

SPLIT_ROUTE = "split"


def render_routes(mesh: Mesh) -> Config:
    """Return the routes; their version is made from their content, so equal routes have equal versions."""
    routes = _route_configuration(mesh)
    return resources("config.route.v3.RouteConfiguration", [routes], _digest(routes))


def _digest(routes: Config) -> str:
    canonical = json.dumps(routes, sort_keys=True, ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()[:16]}"


def _route_configuration(mesh: Mesh) -> Config:
    routes = [
        *(_pod_only_route(path) for path in POD_ONLY_PATHS),
        *(_pin_route(mesh, name) for name in mesh.names),
        _unknown_version_route(mesh),
        _split_route(mesh),
    ]
    return {
        "name": ROUTES_NAME,
        # A route to a cluster that is not there is refused as a whole, and the last good routes stay.
        "validate_clusters": True,
        "virtual_hosts": [{"name": mesh.service, "domains": list(mesh.hosts), "routes": routes}],
    }


def _pod_only_route(path: str) -> Config:
    return {"name": "pod-only", "match": {"path": path}, **_direct_response(pod_only())}


def _pin_route(mesh: Mesh, version: str) -> Config:
    return {
        "name": f"pin-{version}",
        "match": _pinned({"string_match": {"exact": version}}),
        "route": {"cluster": cluster_name(version), **_resilience(mesh.policy)},
        "request_headers_to_add": [header(ROUTE_HEADER, version)],
        "request_headers_to_remove": [SHADOW_HEADER],
    }


def _unknown_version_route(mesh: Mesh) -> Config:
    body = unknown_version(mesh.names, seen=f"%REQ({VERSION_HEADER})%")
    return {"name": "unknown-version", "match": _pinned({"present_match": True}), **_direct_response(body)}


def _split_route(mesh: Mesh) -> Config:
    clusters = [_weighted_cluster(mesh, name, weight) for name, weight in parts(mesh.split)]
    action = {"weighted_clusters": {"clusters": clusters}, **_mirror(mesh), **_resilience(mesh.policy)}
    return {"name": SPLIT_ROUTE, "match": {"prefix": "/"}, "route": action}


def _weighted_cluster(mesh: Mesh, version: str, weight: int) -> Config:
    shadowed = mesh.split.shadowed if version == mesh.split.stable else None
    told = [header(SHADOW_HEADER, shadowed)] if shadowed else []
    return {
        "name": cluster_name(version),
        "weight": weight,
        "request_headers_to_add": [header(ROUTE_HEADER, version), *told],
        **({} if shadowed else {"request_headers_to_remove": [SHADOW_HEADER]}),
    }


def _mirror(mesh: Mesh) -> Config:
    split = mesh.split
    if split.shadowed is None:
        return {}
    fraction = {"default_value": {"numerator": copied(split), "denominator": "MILLION"}}
    policy = {
        "cluster": cluster_name(split.shadowed),
        "runtime_fraction": fraction,
        # A trace of each copy beside that of each request would be twice the traces.
        "trace_sampled": False,
        # The copy keeps its Host, as in Istio since 1.28.
        "disable_shadow_host_suffix_append": True,
    }
    return {"request_mirror_policies": [policy]}


def _pinned(how: Config) -> Config:
    return {"prefix": "/", "headers": [{"name": VERSION_HEADER, **how}]}


def _resilience(policy: Policy) -> Config:
    retries = {"retry_policy": _retries(policy.retries)} if policy.retries.attempts else {}
    return {"timeout": duration(policy.timeout_s), **retries}


def _retries(retries: Retries) -> Config:
    previous_hosts = typed("extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")
    return {
        "retry_on": ",".join(retries.conditions),
        "retriable_status_codes": list(retries.status_codes),
        "num_retries": retries.attempts,
        "per_try_timeout": duration(retries.per_try_timeout_s),
        "retry_host_predicate": [extension("envoy.retry_host_predicates.previous_hosts", previous_hosts)],
        "host_selection_retry_max_attempts": 5,
    }


def _direct_response(body: Mapping[str, Any]) -> Config:
    body_format = {"json_format": dict(body), "content_type": CONTENT_TYPE}
    return {"direct_response": {"status": body["status"], "body_format": body_format}}

"""Routers for tests."""

from collections.abc import Sequence
from typing import Any

from kubernetes.client import ApiClient

from mesh.cluster.api import ClusterApi
from mesh.cluster.router import ClusterRouter
from mesh.model import Split, Weights
from mesh.routing import Routing, Style
from tests.support.kubeapi import KubeApi

Document = dict[str, Any]
VERSIONS = ("1.0", "1.1")
GATEWAYS = {Style.GATEWAY_API: ("istio-ingress/public",)}
STYLES = tuple(Style)


def routing(style: Style, **fields: Any) -> Routing:  # noqa: ANN401 - what Routing takes
    return Routing(style=style, **{"gateways": GATEWAYS.get(style, ()), **fields})


def router(
    api: KubeApi,
    style: Style = Style.SUBSETS,
    *,
    versions: Sequence[str] = VERSIONS,
    client: ApiClient | None = None,
    timeout_s: float = 5.0,
    holder: str = "bert",
    **fields: Any,  # noqa: ANN401 - what Routing takes
) -> ClusterRouter:
    """Return a router for the Service ``bert``."""
    return ClusterRouter(
        ClusterApi(client or api.client(agent="bertmesh"), timeout_s=timeout_s),
        service="bert",
        namespace="default",
        versions=lambda: versions,
        routing=routing(style, **fields),
        holder=holder,
    )


def at(weight: int, mirror: int = 0) -> Split:
    return Split("1.0", "1.1", Weights(weight), mirror)


def kind_of(style: Style) -> str:
    return "HTTPRoute" if style is Style.GATEWAY_API else "VirtualService"


def rules(route: Document) -> list[Document]:
    found: list[Document] = route["spec"]["rules" if route["kind"] == "HTTPRoute" else "http"]
    return found


def rule(route: Document, name: str) -> Document:
    return next(found for found in rules(route) if found["name"] == name)


def targets(found: Document) -> list[Document]:
    """Return the weighted targets of a rule of either kind."""
    listed: list[Document] = found.get("backendRefs") or found["route"]
    return listed


def weights(route: Document) -> list[int]:
    return [target["weight"] for target in targets(rule(route, "split"))]

"""Objects out of a cluster: what we may list in the namespaces asked for, and Istio's own settings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from doctor.dig import parts, text
from doctor.errors import NothingAllowed
from doctor.model import ROOT_NAMESPACE, Inventory, Object, Place
from mesh.cluster.api import ClusterApi, connect

NOT_FOUND: Final = 404
PAGE: Final = "500"


@dataclass(frozen=True)
class Resource:
    """A kind to list. ``root`` ones are listed in Istio's namespace too."""

    group: str
    version: str
    plural: str
    kind: str
    root: bool = False

    def path(self, namespace: str) -> str:
        """Return where the objects in a namespace are listed."""
        start = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{start}/namespaces/{namespace}/{self.plural}"


RESOURCES: Final = (
    Resource("", "v1", "services", "Service"),
    Resource("", "v1", "pods", "Pod"),
    Resource("apps", "v1", "deployments", "Deployment"),
    Resource("apps", "v1", "statefulsets", "StatefulSet"),
    Resource("apps", "v1", "daemonsets", "DaemonSet"),
    Resource("apps", "v1", "replicasets", "ReplicaSet"),
    Resource("batch", "v1", "cronjobs", "CronJob"),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    Resource("networking.istio.io", "v1", "virtualservices", "VirtualService"),
    Resource("networking.istio.io", "v1", "destinationrules", "DestinationRule"),
    Resource("networking.istio.io", "v1", "gateways", "Gateway", root=True),
    Resource("security.istio.io", "v1", "peerauthentications", "PeerAuthentication", root=True),
    Resource("security.istio.io", "v1", "requestauthentications", "RequestAuthentication", root=True),
    Resource("security.istio.io", "v1", "authorizationpolicies", "AuthorizationPolicy", root=True),
    Resource("telemetry.istio.io", "v1", "telemetries", "Telemetry", root=True),
    Resource("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"),
    Resource("gateway.networking.k8s.io", "v1", "gateways", "Gateway", root=True),
    Resource("bertmesh.dev", "v1alpha1", "modelrollouts", "ModelRollout"),
    Resource("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor"),
    Resource("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor"),
    Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject"),
)
CONFIG: Final = Resource("", "v1", "configmaps", "ConfigMap")
"""The mesh configuration is one; read in Istio's namespace alone."""


@dataclass
class ClusterSnapshot:
    """What a look at a cluster gathers."""

    api: ClusterApi
    objects: list[Object] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)

    def listed(self, resource: Resource, namespace: str) -> None:
        """Take the objects of one kind in one namespace, page by page, or note why not.

        A kind that the server does not serve is no reason for a note: BM701 tells of it where it matters.
        """
        query, more = {"limit": PAGE}, True
        while more:
            answer = self.api.request("GET", resource.path(namespace), query=query)
            if not answer.ok:
                if answer.code != NOT_FOUND:
                    self.unread[resource.kind] = f"{answer.code} {answer.reason}"
                return
            for item in parts(answer.body, "items"):
                self.objects.append(_object(resource, item))
            query = {"limit": PAGE, "continue": text(answer.body, "metadata", "continue")}
            more = bool(query["continue"])

    def one(self, path: str, resource: Resource) -> None:
        """Take a single object, or note why not."""
        answer = self.api.request("GET", path)
        if answer.ok:
            self.objects.append(_object(resource, answer.body))
        elif answer.code != NOT_FOUND:
            self.unread[resource.kind] = f"{answer.code} {answer.reason}"


def _object(resource: Resource, item: Any) -> Object:  # noqa: ANN401 - any JSON
    """Return an item of a list, which the server sends without its kind."""
    version = f"{resource.group}/{resource.version}" if resource.group else resource.version
    body = {"apiVersion": version, "kind": resource.kind, **item}
    return Object(body, text(item, "metadata", "namespace"), "cluster")


def reach(context: str | None, kubeconfig: str | None) -> ClusterApi:
    """Return the API of a cluster, as a kubeconfig says.

    Raises:
        ClusterError: nothing says where it is.
    """
    return ClusterApi(connect(context, kubeconfig))


def read(api: ClusterApi, namespaces: Sequence[str], root: str = ROOT_NAMESPACE) -> Inventory:
    """Return what can be seen of these namespaces; nothing is written.

    Raises:
        ClusterError: the API does not answer.
        NothingAllowed: it lets us see nothing.
    """
    reading = ClusterSnapshot(api)
    for resource in RESOURCES:
        # A set would lose the order, and with it the order of objects.
        for namespace in dict.fromkeys([*namespaces, *([root] if resource.root else [])]):
            reading.listed(resource, namespace)
    for namespace in namespaces:
        reading.one(f"/api/v1/namespaces/{namespace}", Resource("", "v1", "namespaces", "Namespace"))
    if not reading.objects:
        raise NothingAllowed(api.url, list(reading.unread.values()) or ["the namespaces are empty"])
    reading.listed(CONFIG, root)
    return Inventory(
        tuple(reading.objects),
        Place.CLUSTER,
        frozenset({*namespaces, root}),
        served(api),
        reading.unread,
        root,
    )


def served(api: ClusterApi) -> frozenset[tuple[str, str]] | None:
    """Return the (group, kind)s that the API server serves, or None where it does not say.

    Raises:
        ClusterError: the API does not answer.
    """
    groups = api.request("GET", "/apis")
    if not groups.ok:
        return None
    return frozenset([*_kinds(api, "/api/v1", ""), *_grouped(api, parts(groups.body, "groups"))])


def _grouped(api: ClusterApi, groups: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for group in groups:
        for version in parts(group, "versions"):
            yield from _kinds(api, f"/apis/{text(version, 'groupVersion')}", text(group, "name"))


def _kinds(api: ClusterApi, path: str, group: str) -> Iterator[tuple[str, str]]:
    for resource in parts(api.request("GET", path).body, "resources"):
        yield group, text(resource, "kind")

"""Gateways as the API server describes them, and an API that answers with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mesh.cluster.api import ApiResponse

Document = dict[str, Any]
LABELS = {"istio": "ingressgateway"}
ISTIO, STANDARD = "networking.istio.io/v1", "gateway.networking.k8s.io/v1"


def gateway(*servers: Document, name: str = "public", namespace: str = "default") -> Document:
    """Return a Gateway of Istio's."""
    spec = {"selector": LABELS, "servers": list(servers)}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": ISTIO, "kind": "Gateway", "metadata": metadata, "spec": spec}


def server(port: int = 80, *hosts: str, protocol: str = "HTTP", **tls: Any) -> Document:  # noqa: ANN401 - any JSON
    """Return a server of a Gateway."""
    known = {"number": port, "name": f"port-{port}", "protocol": protocol}
    return {"port": known, "hosts": list(hosts) or ["*"], **({"tls": tls} if tls else {})}


def pod(name: str, *, ready: bool = True, ends: bool = False, namespace: str = "istio-ingress") -> Document:
    """Return a pod of a gateway."""
    ending = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if ends else {}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": LABELS, **ending},
        "status": {"conditions": conditions},
    }


def service(name: str = "ingress", namespace: str = "istio-ingress", **ports: int) -> Document:
    """Return a Service with named ports."""
    listed = [{"name": each, "port": number} for each, number in (ports or {"http": 80}).items()]
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"ports": listed}}


def slice_of(*pods: str, address: str = "127.0.0.1", **ports: int) -> Document:
    """Return an EndpointSlice of the Service ``ingress`` over these pods, with the pods' ports by name."""
    endpoints = [{"addresses": [address], "targetRef": {"kind": "Pod", "name": name}} for name in pods]
    return {
        "metadata": {
            "name": f"ingress-{pods[0]}",
            "namespace": "istio-ingress",
            "labels": {"kubernetes.io/service-name": "ingress"},
        },
        "endpoints": endpoints,
        "ports": [{"name": name, "port": number} for name, number in ports.items()],
    }


@dataclass
class FakeApi:
    """Answers reads with these objects; ``forbidden`` are the kinds that may not be read."""

    gateways: list[Document] = field(default_factory=list)
    pods: list[Document] = field(default_factory=list)
    services: list[Document] = field(default_factory=lambda: [service()])
    endpointslices: list[Document] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)

    def get(self, like: Mapping[str, Any]) -> Document | None:
        known = self.gateways if like["kind"] == "Gateway" else self.services
        named = (like["metadata"]["namespace"], like["metadata"]["name"])
        return next((each for each in known if _place(each) == named), None)

    def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> ApiResponse:
        assert method == "GET"
        kind = path.rpartition("/")[2]
        if kind in self.forbidden:
            return ApiResponse(403, {"reason": "Forbidden"})
        wanted = dict(part.split("=") for part in (query or {}).get("labelSelector", "").split(",") if part)
        namespace = path.split("/namespaces/")[1].split("/", maxsplit=1)[0] if "/namespaces/" in path else ""
        items = [
            each
            for each in getattr(self, kind)
            if namespace in ("", each["metadata"]["namespace"])
            and wanted.items() <= each["metadata"].get("labels", {}).items()
        ]
        return ApiResponse(200, {"items": items})


def _place(document: Document) -> tuple[str, str]:
    return document["metadata"]["namespace"], document["metadata"]["name"]

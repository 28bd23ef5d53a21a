"""A Service of two versions, as tests of its route need it."""

from typing import Final

from tests.cluster.control_plane import Document
from tests.support.kubeapi.samples import deployment

VERSIONS: Final = ("1.0", "1.1")


def service(namespace: str, host: str) -> list[Document]:
    """Return a Service of two versions with a pod each, and a Gateway that lets ``host`` in."""
    port = {"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http"}
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [f"./{host}"]}
    found = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "bert"},
            "spec": {"selector": {"app": "bert"}, "ports": [port]},
        },
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "bert"},
            "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
        },
        *(named_port(deployment(f"bert-{version}")) for version in VERSIONS),
    ]
    return [{**each, "metadata": {**each["metadata"], "namespace": namespace}} for each in found]


def named_port(document: Document) -> Document:
    """Return a Deployment whose port is called `http`."""
    [container] = document["spec"]["template"]["spec"]["containers"]
    container["ports"] = [{"name": "http", "containerPort": 8080}]
    return document

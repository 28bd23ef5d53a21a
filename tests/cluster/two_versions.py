"""A Service of two versions, as tests of its route need it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mesh.cluster.api import ClusterApi
from mesh.cluster.router import ClusterRouter
from mesh.routing import Routing, Style
from tests.cluster.control_plane import ControlPlane, Document
from tests.cluster.stand_ins import StandIns, stand_ins
from tests.support.kubeapi.samples import deployment
from tests.support.processes import wait_until

VERSIONS: Final = ("1.0", "1.1")


def host_of(namespace: str) -> str:
    """Return the name by which a gateway lets requests in."""
    return f"{namespace}.example.org"


def router_of(plane: ControlPlane, namespace: str) -> ClusterRouter:
    """Return what writes the route of the Service `bert`."""
    routing = Routing(style=Style.SUBSETS, gateways=("bert", "mesh"), hosts=(host_of(namespace), "bert"))
    api = ClusterApi(plane.client())
    return ClusterRouter(api, "bert", namespace, lambda: VERSIONS, routing=routing, holder="bert")


@contextmanager
def with_pods(plane: ControlPlane, namespace: str) -> Iterator[StandIns]:
    """Make the Service, and stand in for a pod of each version until the block ends."""
    plane.apply(*service(namespace, host_of(namespace)))
    with stand_ins(plane, namespace) as made:

        def settled() -> bool:
            made.settle()
            return len(made.pods) == len(VERSIONS)

        wait_until(settled, "each version has a pod")
        yield made


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

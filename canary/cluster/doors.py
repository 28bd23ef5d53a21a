"""Where the pods of a gateway are asked: what the API's objects say, read without I/O.

A server of a gateway stands for a port of the Services that lead to the gateway's pods. An EndpointSlice says
which port of a pod that is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mesh.cluster.parents import ANY, common_host

NAME_LABEL: Final = "gateway.networking.k8s.io/gateway-name"
SERVICE_LABEL: Final = "kubernetes.io/service-name"
SPOKEN: Final = frozenset({"HTTP", "HTTP2", "HTTPS", "GRPC", "GRPC-WEB"})
ENDED: Final = frozenset({"SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL", "Terminate"})
"""Modes of TLS in which the gateway itself reads the requests."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Listener:
    """A port by which requests for a route come into a gateway: number, one of the hosts, TLS or not."""

    port: int
    host: str
    tls: bool


@dataclass(frozen=True)
class Door:
    """Where one proxy is asked. Who is not ``ready`` need not answer."""

    proxy: str
    address: str
    port: int
    host: str
    tls: bool = False
    ready: bool = True


def selector_of(gateway: Document) -> Mapping[str, str]:
    """Return the labels of a gateway's pods; none if it does not say."""
    if gateway["apiVersion"].startswith("networking.istio.io/"):
        found: Mapping[str, str] = gateway["spec"].get("selector") or {}
        return found
    return {NAME_LABEL: gateway["metadata"]["name"]}


def listeners_of(gateway: Document, hosts: Sequence[str], namespace: str) -> list[Listener]:
    """Return by which ports requests for these hosts of a route in ``namespace`` come in."""
    if gateway["apiVersion"].startswith("networking.istio.io/"):
        return list(_servers(gateway, hosts, namespace))
    return list(_listeners(gateway, hosts))


def _servers(gateway: Document, hosts: Sequence[str], namespace: str) -> Iterator[Listener]:
    own = gateway["metadata"]["namespace"]
    for server in gateway["spec"].get("servers", ()):
        protocol, tls = server["port"]["protocol"].upper(), server.get("tls") or {}
        if protocol not in SPOKEN or tls.get("httpsRedirect"):
            continue
        if protocol == "HTTPS" and tls.get("mode", "SIMPLE") not in ENDED:
            continue
        host = common_host(hosts, _taken(server.get("hosts", ()), own, namespace))
        if host is not None:
            yield Listener(int(server["port"]["number"]), host, protocol == "HTTPS")


def _taken(hosts: Iterable[str], own: str, namespace: str) -> Iterator[str]:
    """Yield the hosts that a server takes of routes in a namespace."""
    for each in hosts:
        place, _, host = each.rpartition("/")
        if place in ("", ANY, namespace) or (place == "." and own == namespace):
            yield host


def _listeners(gateway: Document, hosts: Sequence[str]) -> Iterator[Listener]:
    for listener in gateway["spec"].get("listeners", ()):
        protocol, tls = listener["protocol"], listener.get("tls") or {}
        if protocol not in ("HTTP", "HTTPS") or tls.get("mode", "Terminate") not in ENDED:
            continue
        host = common_host(hosts, [listener.get("hostname") or ANY])
        if host is not None:
            yield Listener(int(listener["port"]), host, protocol == "HTTPS")


@dataclass(frozen=True)
class Surroundings:
    """What there is in the namespaces of a gateway's pods."""

    pods: Sequence[Document]
    services: Sequence[Document]
    slices: Sequence[Document]


def doors_of(listener: Listener, around: Surroundings) -> tuple[list[Door], list[str]]:
    """Return where all pods of a gateway are asked through a listener, and a sentence on each that cannot be.

    A pod that is not ready is asked, too, if it has an address: it may still have connections. One that has
    been ready never, or ended, gets no requests.
    """
    ways = _ways(listener.port, around)
    doors, lost = [], []
    for pod in around.pods:
        name, ready = _name(pod), _is_ready(pod)
        way = ways.get(name)
        if way is not None:
            doors.append(Door(name, *way, listener.host, listener.tls, ready))
        elif ready:
            lost.append(f"no Service leads to gateway pod {name} by port {listener.port}")
    return doors, lost


def _ways(port: int, around: Surroundings) -> Mapping[str, tuple[str, int]]:
    """Return address and port of each pod behind a Service's port, by the pod's name."""
    names = {
        (each["metadata"]["namespace"], each["metadata"]["name"]): listed.get("name", "")
        for each in around.services
        for listed in each["spec"].get("ports", ())
        if listed["port"] == port
    }
    found: dict[str, tuple[str, int]] = {}
    for each in around.slices:
        namespace = each["metadata"]["namespace"]
        service = each["metadata"].get("labels", {}).get(SERVICE_LABEL, "")
        number = _port_of(each, names.get((namespace, service)))
        for endpoint in each.get("endpoints") or () if number else ():
            pod = endpoint.get("targetRef") or {}
            if pod.get("kind") == "Pod" and endpoint.get("addresses"):
                found[f"{namespace}/{pod['name']}"] = (endpoint["addresses"][0], number)
    return found


def _port_of(found: Document, name: str | None) -> int:
    """Return the pods' port of that name in an EndpointSlice, 0 if it has none."""
    ports = found.get("ports") or ()
    return next((int(each["port"]) for each in ports if name is not None and each.get("name", "") == name), 0)


def _name(pod: Document) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _is_ready(pod: Document) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]

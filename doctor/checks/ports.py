"""Service ports: Istio's protocol selection, and where a port leads."""

from collections.abc import Iterator
from typing import Final

from doctor.check import check
from doctor.dig import Document, listed, parts, text
from doctor.fixes import replace
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.pods import selected
from doctor.traffic import routed_services

HTTP: Final = frozenset({"http", "http2", "grpc", "grpc-web"})
OTHER: Final = frozenset({"https", "tcp", "tls", "mongo", "mysql", "redis", "udp", "auto", "hbone", "double"})
APP_HTTP: Final = HTTP | {"kubernetes.io/h2c", "kubernetes.io/ws"}
REDIS_PORTS: Final = frozenset({6379, 26379})


def protocol(port: Document) -> str:
    """Return the protocol that a Service port declares; empty if it declares none."""
    declared = text(port, "appProtocol").lower()
    if declared:
        return declared
    name = text(port, "name").lower()
    known = [each for each in HTTP | OTHER if name == each or name.startswith(f"{each}-")]
    return max(known, key=len, default="")


def _tcp_ports(service: Object) -> Iterator[tuple[int, Document]]:
    if text(service.body, "spec", "type") != "ExternalName":
        for number, port in enumerate(service.parts("spec", "ports")):
            if text(port, "protocol") in ("", "TCP"):
                yield number, port


def _named(port: Document) -> str:
    return f"port {text(port, 'port') or '?'} named {text(port, 'name')!r}, without appProtocol"


def _rename(service: Object, number: int, wanted: str) -> str:
    return replace(service, f"/spec/ports/{number}/appProtocol", wanted)


@check("BM101", Severity.WARNING)
def port_without_protocol(inventory: Inventory) -> Iterator[Sighting]:
    """A Service port does not say its protocol.

    Istio takes the protocol from the port's appProtocol or from its name (`http`, `http-api`,
    `tcp-redis`). Where neither says one it guesses by the first bytes: what it takes for TCP is not split
    by weights, not retried and not counted in istio_requests_total, so that a canary looks silent. It is
    an error for a Service that a route leads to.

    Name the port `http` or `http-...` (`tcp-redis` for Redis), or set appProtocol.
    """
    routed = {str(each) for each in routed_services(inventory)}
    for service in inventory.of("Service"):
        severity = Severity.ERROR if str(service) in routed else None
        for number, port in _tcp_ports(service):
            if not protocol(port):
                wanted = "redis" if port.get("port") in REDIS_PORTS else "http"
                yield Sighting(
                    service, f"spec.ports[{number}].name", _named(port),
                    _rename(service, number, "tcp" if wanted == "redis" else wanted), severity,
                )  # fmt: skip


@check("BM102", Severity.ERROR)
def routed_port_not_http(inventory: Inventory) -> Iterator[Sighting]:
    """A route leads to a Service none of whose ports is declared as HTTP.

    HTTP rules do not apply to a port that is declared as TCP, TLS or HTTPS: Istio passes its bytes on.
    Weights, header pins, retries and mirrors are then ignored without a word.

    Name the port `http` or `http-...`, or set appProtocol to http.
    """
    for service in routed_services(inventory):
        ports = list(_tcp_ports(service))
        said = [protocol(port) for _, port in ports]
        if ports and all(said) and not any(each in APP_HTTP for each in said):
            number, port = ports[0]
            seen = f"port {text(port, 'port')} is declared as {said[0]}"
            yield Sighting(service, f"spec.ports[{number}]", seen, _rename(service, number, "http"))


@check("BM103", Severity.ERROR)
def target_port_unknown(inventory: Inventory) -> Iterator[Sighting]:
    """A Service's targetPort names a container port that its pods do not have.

    The Service then has no endpoint for that port, and every request is answered with 503 and the flag
    UH.

    Give the container a port of that name, or name one that it has.
    """
    for service in inventory.of("Service"):
        pods = selected(inventory, service)
        names = {
            text(port, "name")
            for pod in pods
            for kind in ("containers", "initContainers")
            for container in parts(pod.spec, kind)
            for port in parts(container, "ports")
        }
        for number, port in enumerate(service.parts("spec", "ports") if pods else ()):
            target = port.get("targetPort")
            if isinstance(target, str) and not target.isdigit() and target not in names:
                yield Sighting(
                    service,
                    f"spec.ports[{number}].targetPort",
                    f"{target!r}; the ports of {listed([str(pod) for pod in pods], 2)} are named "
                    f"{listed(sorted(filter(None, names)))}",
                    replace(
                        service, f"/spec/ports/{number}/targetPort", min(filter(None, names), default=8000)
                    ),
                )

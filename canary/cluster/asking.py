"""Asks proxies over HTTP which split they hold: every pod of the route's gateways, and our own sidecar.

Pods that come later got their routes from istiod before they became ready, and are asked with the next split;
those that are not ready, or about to end, are waited for only if they answer with another split.
"""

import http.client
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from canary.adapters.pinned import reached
from canary.cluster.doors import Door, Surroundings, doors_of, listeners_of, selector_of
from canary.cluster.proof import Asked
from canary.controller.ports import Reached
from mesh.cluster.api import ApiResponse
from mesh.cluster.errors import ApiRefused
from mesh.cluster.parents import ANY, GatewayName, Parents, parents_of, pinned_request
from mesh.errors import MeshError
from mesh.model import DOMAIN, Split, full_name
from mesh.ports import Ports
from mesh.problem import ASKED_FOR, ASKED_PATH
from observability.names import ASK_HEADER, PROXY_HEADER, SPLIT_HEADER, VERSION_HEADER

TIMEOUT_S: Final = 2.0
OWN: Final = "our own sidecar"
SIDECAR: Final = ("127.0.0.1", 15021)
"""Where Istio's sidecar tells a pod that it is ready."""
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
HEADERS: Final = {ASK_HEADER: ASKED_FOR}
SLICES: Final = "/apis/discovery.k8s.io/v1"

Document = dict[str, Any]


class Api(Protocol):
    """The Kubernetes API, for reading."""

    def get(self, like: Mapping[str, Any]) -> Document | None:
        """Return an object, or None if there is none."""

    def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> ApiResponse:
        """Send a request."""


class Unasked(MeshError):
    """A gateway whose pods cannot be found."""


@dataclass(frozen=True)
class Answer:
    """What came back: the status, 0 if nothing did, the headers in lower case, and why nothing came."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def has_sidecar() -> bool:
    """Return whether a sidecar of Istio runs in this pod."""
    try:
        with socket.create_connection(SIDECAR, timeout=TIMEOUT_S):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class ProxyAsker:
    """Asks the proxies of one Service's route.

    ``route`` reads the route as it is on the cluster. ``places`` are the namespaces in which the pods of
    Istio's gateways are looked for, none being all. ``pod`` is our own pod's name, ``sidecar`` says whether
    it has a proxy of its own. ``live_service`` reads the Service as it is on the cluster, ``domain`` is the
    cluster's.
    """

    api: Api
    service: str
    namespace: str
    route: Callable[[], Document]
    workers: Executor
    places: Sequence[str] = ()
    pod: str = field(default_factory=socket.gethostname)
    sidecar: Callable[[], bool] = has_sidecar
    timeout_s: float = TIMEOUT_S
    live_service: Callable[[], Mapping[str, Any]] = dict
    domain: str = DOMAIN

    def ask(self, split: Split) -> Asked:
        """Return what the proxies say when they are asked whether they hold a split."""
        try:
            parents = parents_of(self.route(), self.domain)
        except MeshError as error:
            return Asked(silent=(str(error),))
        own = self.sidecar()
        doors, silent = self._doors(parents, own=own)
        hold, others = [], []
        for door, answer in zip(doors, self._all(doors, ASKED_PATH, HEADERS), strict=True):
            said = answer.headers.get(SPLIT_HEADER)
            if door.proxy != OWN and own and answer.headers.get(PROXY_HEADER) == self.pod:
                silent.append(_captured(door))
            elif said == split.text:
                hold.append(door.proxy)
            elif said is not None:
                others.append(f"{door.proxy} holds {said}")
            elif door.ready:
                came = answer.problem or f"answered {answer.status} and named no split"
                silent.append(f"{door.proxy} {came}")
        return Asked(_once(hold), _once(others), _once(silent), callers=parents.sidecars)

    def reach(self, version: str) -> Reached:
        """Return whether a request with a version's header, through the first proxy there is, reached it."""
        try:
            route = self.route()
        except MeshError as error:
            return Reached(None, str(error))
        request = pinned_request(route, version)
        if request is None:
            return Reached(None, f"the route has no rule for the header {VERSION_HEADER}: {version}")
        doors, silent = self._doors(parents_of(route, self.domain), own=self.sidecar())
        door = next((each for each in doors if each.ready), None)
        if door is None:
            return Reached(None, ", ".join(silent) or "no proxy can be asked")
        path, headers = request
        answer = self._fetch(door, path, headers)
        if not answer.status:
            return Reached(None, f"{door.proxy} {answer.problem}")
        return reached(version, answer.status, answer.headers.get(VERSION_HEADER))

    def _doors(self, parents: Parents, *, own: bool) -> tuple[list[Door], list[str]]:
        """Return where each proxy is asked, and a sentence on each that cannot be."""
        doors: list[Door] = []
        silent: list[str] = []
        for gateway in parents.gateways:
            try:
                found, lost = self._of_gateway(gateway, parents.hosts)
            except MeshError as error:
                found, lost = [], [str(error)]
            doors += found
            silent += lost
        if parents.sidecars and own:
            try:
                doors.append(self._own_door(parents.inside))
            except MeshError as error:
                silent.append(str(error))
        if parents.sidecars and not own and not parents.gateways:
            silent.append("the operator has no sidecar, and the route no gateway")
        return doors, silent

    def _of_gateway(self, named: GatewayName, hosts: Sequence[str]) -> tuple[list[Door], list[str]]:
        version, namespace, name = named
        place = f"Gateway {namespace}/{name}"
        found = self._gateway(named)
        selector = selector_of(found)
        if not selector:
            message = f"{place} has no selector, so that every proxy may be it"
            raise Unasked(message)
        listeners = listeners_of(found, hosts, self.namespace)
        if not listeners:
            message = f"{place} has no port for HTTP that takes one of the hosts {', '.join(hosts)}"
            raise Unasked(message)
        places = (self.places or ("",)) if version.startswith("networking.istio.io/") else (namespace,)
        around = self._around(places, selector)
        doors: list[Door] = []
        lost: list[str] = []
        for listener in listeners:
            more, without = doors_of(listener, around)
            doors += more
            lost += without
        if not any(door.ready for door in doors) and not lost:
            labels = ",".join(f"{key}={value}" for key, value in selector.items())
            where = ", ".join(filter(None, places)) or "any namespace"
            message = f"{place} has no ready pod with {labels} in {where}"
            lost.append(message)
        return doors, lost

    def _gateway(self, named: GatewayName) -> Document:
        version, namespace, name = named
        metadata = {"name": name, "namespace": namespace}
        try:
            found = self.api.get({"apiVersion": version, "kind": "Gateway", "metadata": metadata})
        except ApiRefused as error:
            message = f"the operator may not get Gateway {namespace}/{name} ({error.code}; see deploy/rbac)"
            raise Unasked(message) from error
        if found is None:
            message = f"Gateway {namespace}/{name} does not exist"
            raise Unasked(message)
        return found

    def _around(self, places: Iterable[str], selector: Mapping[str, str]) -> Surroundings:
        labels = ",".join(f"{key}={value}" for key, value in selector.items())
        pods = [pod for place in places for pod in self._list("/api/v1", place, "pods", labels)]
        near = {pod["metadata"]["namespace"] for pod in pods}
        services = [each for place in near for each in self._list("/api/v1", place, "services")]
        slices = [each for place in near for each in self._list(SLICES, place, "endpointslices")]
        return Surroundings(pods, services, slices)

    def _list(self, root: str, namespace: str, plural: str, labels: str = "") -> list[Document]:
        within = f"/namespaces/{namespace}" if namespace else ""
        query = {"labelSelector": labels} if labels else {}
        answer = self.api.request("GET", f"{root}{within}/{plural}", query=query)
        if answer.code == FORBIDDEN:
            where = f"namespace {namespace}" if namespace else "all namespaces"
            message = f"the operator may not list {plural} in {where} (deploy/rbac/gateways.yaml)"
            raise Unasked(message)
        if answer.code == NOT_FOUND:
            return []
        items: list[Document] = answer.checked(f"list {plural}", "see the answer").get("items", [])
        return items

    def _own_door(self, inside: Sequence[str]) -> Door:
        """Return where our own sidecar is asked: the Service's own name, which it catches."""
        name = full_name(self.service, self.namespace, self.domain)
        if name not in inside and ANY not in inside:
            message = f"{OWN} cannot be asked: the route's hosts do not name {name}"
            raise Unasked(message)
        return Door(OWN, name, Ports.of(self.live_service()).http, name)

    def _all(self, doors: Sequence[Door], path: str, headers: Mapping[str, str]) -> Iterator[Answer]:
        return self.workers.map(lambda door: self._fetch(door, path, headers), doors)

    def _fetch(self, door: Door, path: str, headers: Mapping[str, str]) -> Answer:
        return fetch(door, path, headers, self.timeout_s)


def fetch(door: Door, path: str, headers: Mapping[str, str], timeout_s: float) -> Answer:
    """Send one request to a proxy, whatever its host's name leads to elsewhere."""
    connection = http.client.HTTPConnection(door.address, door.port, timeout=timeout_s)
    try:
        connection.sock = _connected(door, timeout_s)
        connection.request("GET", path, headers={"Host": door.host, "Connection": "close", **headers})
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()})
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, problem=f"does not answer at {door.address} port {door.port} ({error})")
    finally:
        connection.close()


def _connected(door: Door, timeout_s: float) -> socket.socket:
    plain = socket.create_connection((door.address, door.port), timeout=timeout_s)
    if not door.tls:
        return plain
    # The certificate is for those outside; what is asked here is no secret, and nothing secret is sent.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(plain, server_hostname=door.host)
    except BaseException:
        plain.close()
        raise


def _captured(door: Door) -> str:
    return (
        f"{OWN} answers for {door.proxy}, since it catches port {door.port}: exclude the pods' addresses by "
        "the annotation traffic.sidecar.istio.io/excludeOutboundIPRanges"
    )


def _once(words: Iterable[str]) -> tuple[str, ...]:
    """Return each word once: a proxy may be asked by several ports."""
    return tuple(dict.fromkeys(words))

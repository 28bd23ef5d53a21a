"""The router over the Kubernetes API: server-side apply of routes that are ours, and nobody else's.

The order of one application: read all objects, refuse those of others, write the targets, write the route.
The route is an atomic list to the API server, so foreign rules in it are read and written back; a
resourceVersion in the same patch makes sure that none is lost in between.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mesh import gateway_api, istio
from mesh.cluster import istio as cluster_istio
from mesh.cluster.api import ClusterApi, Conflicted
from mesh.cluster.errors import NotOurs, TooManyConflicts, UnreadableRoute
from mesh.cluster.owner import HOLDER, MANAGED_BY, Drift, drift, holds, owned, owners
from mesh.cluster.read import CANARY, STABLE, called, is_ours, read_split, rules, rules_field
from mesh.model import DOMAIN, Mesh, Split, Version
from mesh.policy import Policy
from mesh.ports import Ports
from mesh.routing import Routing, Style

MANAGER: Final = "bertmesh-controller"
TRIES: Final = 5
ROUTES: Final = ("VirtualService", "HTTPRoute")

Document = dict[str, Any]


@dataclass(frozen=True)
class Applied:
    """What an application did: the split that the route holds now, what was written, whom it put right."""

    split: Split
    changed: bool = False
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True)
class ClusterRouter:
    """Splits traffic between the stable and the canary version, on a cluster.

    ``versions`` is asked each time for the versions that exist, ``live_service`` for the Service as the API
    has it, empty where there is none; ``holder`` is the ModelRollout's name, and keeps two of them from
    writing one route.

    What the router creates belongs to the Service: when that is deleted, Kubernetes deletes it, too.
    """

    api: ClusterApi
    service: str
    namespace: str
    versions: Callable[[], Sequence[str]]
    policy: Policy = field(default_factory=Policy)
    routing: Routing = field(default_factory=Routing)
    holder: str = ""
    manager: str = MANAGER
    live_service: Callable[[], Mapping[str, Any]] = dict
    domain: str = DOMAIN

    def split(self) -> Split:
        """Return the split that the route on the cluster holds, whoever wrote it.

        Raises:
            UnreadableRoute: there is no route, or it holds no split.
            ClusterError: the API is down or refuses.
        """
        return self._read(self._live_route())

    def route(self) -> Document:
        """Return the route as it is on the cluster.

        Raises:
            UnreadableRoute: there is none.
            ClusterError: the API is down or refuses.
        """
        return self._live_route()

    def drift(self) -> Drift | None:
        """Return who changed our route, if anybody did; the next `apply` puts it right.

        Raises:
            ClusterError: the API is down or refuses, or there is no route.
        """
        live = self._live_route()
        return drift(live, {**self._stub(), "spec": {rules_field(live["kind"]): []}}, self.manager)

    def apply(self, split: Split) -> Applied:
        """Make the objects on the cluster say ``split``; writes nothing that says so already.

        This ends when the API server has it: whether the proxies have it, too, is for them to say.

        Raises:
            InvalidMesh: it names a version that does not exist.
            NotOurs: an object belongs to somebody else and is not to be adopted; nothing was changed.
            TooManyConflicts: somebody writes the same object all the time.
            ClusterError: the API is down or refuses; the last good split keeps serving.
        """
        documents = self._documents(split)
        lives = [self._ours(document) for document in documents]
        results = [self._write(document, live) for document, live in zip(documents, lives, strict=True)]
        route, _, _ = results[-1]
        seen = self._read(route)
        if seen != split:
            raise UnreadableRoute(
                called(route), f"{split} was written, and {seen} is there: see its webhooks"
            )
        changes = tuple(found for _, _, found in results if found is not None)
        return Applied(split, changed=any(changed for _, changed, _ in results), drift=changes)

    def _live_route(self) -> Document:
        stub = self._stub()
        live = self.api.get(stub)
        if live is None:
            raise UnreadableRoute(called(stub), "it does not exist")
        return live

    def _read(self, route: Mapping[str, Any]) -> Split:
        return read_split(route, self.service, self.versions())

    def _stub(self) -> Document:
        gateway = self.routing.style is Style.GATEWAY_API
        return {
            "apiVersion": gateway_api.API_VERSION if gateway else istio.API_VERSION,
            "kind": "HTTPRoute" if gateway else "VirtualService",
            "metadata": {"name": self.service, "namespace": self.namespace},
        }

    def _documents(self, split: Split) -> list[Document]:
        versions = tuple(Version(name) for name in self.versions())
        ports = Ports.of(self.live_service())
        mesh = Mesh(
            self.service, self.namespace, versions, split, self.policy, ports=ports, domain=self.domain
        )
        gateway = self.routing.style is Style.GATEWAY_API
        documents = (gateway_api if gateway else cluster_istio).render(mesh, self.routing)
        return [self._signed(document, split) for document in documents]

    def _signed(self, document: Document, split: Split) -> Document:
        """Return the document with our name on it, and on the route the names of the two sides."""
        sides = {STABLE: split.stable, CANARY: split.canary} if document["kind"] in ROUTES else {}
        notes = {HOLDER: self.holder or None, **sides}
        annotations = {name: value for name, value in notes.items() if value is not None}
        metadata = {**document["metadata"], "labels": {MANAGED_BY: self.manager}}
        return {**document, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}

    def _ours(self, document: Document) -> Document | None:
        live = self.api.get(document)
        others = owners(live, self.manager, self.holder) if live is not None else ()
        if others and not self.routing.adopt:
            raise NotOurs(called(document), others)
        return live

    def _write(self, document: Document, live: Document | None) -> tuple[Document, bool, Drift | None]:
        """Write one object; return it, whether it changed, and who had changed it."""
        seen: Drift | None = None
        for _ in range(TRIES):
            whole = owned(self._with_foreign_rules(document, live), live, self.live_service())
            if live is not None:
                mine = not owners(live, self.manager, self.holder)
                seen = seen or (drift(live, whole, self.manager) if mine else None)
                if mine and drift(live, whole, self.manager) is None and holds(live, whole):
                    return live, False, seen
            try:
                return self.api.apply(whole, self.manager), True, seen
            except Conflicted:
                live = self._ours(document)
        writers = (
            [] if live is None else [entry["manager"] for entry in live["metadata"].get("managedFields", ())]
        )
        raise TooManyConflicts(called(document), TRIES, list(dict.fromkeys(writers)) or ["unknown"])

    def _is_ours(self, rule: Mapping[str, Any]) -> bool:
        return is_ours(rule, self.service, self.namespace, self.versions())

    def _with_foreign_rules(self, document: Document, live: Document | None) -> Document:
        """Return the document as it is applied to ``live``: rules of others stay, and no change is lost."""
        if live is None:
            return document
        metadata = {**document["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
        if document["kind"] not in ROUTES:
            return {**document, "metadata": metadata}
        foreign = [rule for rule in rules(live) if not self._is_ours(rule)]
        # What matches everything would leave nothing to the rules behind it.
        narrow = [rule for rule in foreign if rule.get("match") or rule.get("matches")]
        wide = [rule for rule in foreign if rule not in narrow]
        name = rules_field(document["kind"])
        spec = {**document["spec"], name: [*narrow, *document["spec"][name], *wide]}
        return {**document, "metadata": metadata, "spec": spec}

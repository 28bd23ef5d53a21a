"""The handle on the server that tests hold."""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import kubernetes
import yaml

from tests.support.kubeapi import builtin
from tests.support.kubeapi.access import Access
from tests.support.kubeapi.kinds import Registry
from tests.support.kubeapi.problem import ApiError
from tests.support.kubeapi.routing import Router
from tests.support.kubeapi.server import LOOPBACK, Fault, Seen, Server
from tests.support.kubeapi.storage import Storage
from tests.support.kubeapi.target import Options, Target
from tests.support.kubeapi.verbs import Verbs

Document = dict[str, Any]
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def definitions(path: Path) -> tuple[Document, ...]:
    """Return the CustomResourceDefinitions in a file."""
    documents = yaml.load_all(path.read_text("utf-8"), Loader=LOADER)
    return tuple(found for found in documents if found and found["kind"] == "CustomResourceDefinition")


def timestamp() -> str:
    """Return the time as the API writes it: in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class KubeApi:
    """An API server.

    It has no controllers: nothing collects garbage, makes pods or counts replicas (`settle` plays the
    Deployment controller). It knows no admission webhooks, no conversion between versions that differ, no
    quotas. A list is always whole (`limit` is not looked at), and an update is validated as if everything
    in it were new. Built-in kinds are checked by their published schemas alone.
    """

    def __init__(self, crds: Iterable[Path] = (), namespaces: Sequence[str] = ("default",)) -> None:
        self.storage = Storage()
        self.registry = Registry()
        for kind in builtin.kinds():
            self.registry.add(kind)
        self.verbs = Verbs(self.registry, self.storage, timestamp)
        self.access = Access()
        self.server = Server(Router(self.verbs, self.access))
        for name in namespaces:
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for path in crds:
            self.install(path)

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()
        assert not self.server.crashes, "\n".join(self.server.crashes)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server.port}"

    @property
    def seen(self) -> list[Seen]:
        """All requests that were answered, in order."""
        return self.server.seen

    def writes(self, manager: str = "") -> list[Seen]:
        """The requests that would change something, of one field manager or of all."""
        return [seen for seen in self.seen if seen.method != "GET" and manager in ("", seen.manager)]

    def client(self, token: str = "", agent: str = "test") -> kubernetes.client.ApiClient:
        """Return a client of the package kubernetes, as its bearer token's owner."""
        settings = kubernetes.client.Configuration(host=self.url, retries=False)
        if token:
            settings.api_key["authorization"] = f"Bearer {token}"
        client = kubernetes.client.ApiClient(settings)
        client.user_agent = f"{agent}/1.0"
        return client

    def kubeconfig(self, path: Path, token: str = "", namespace: str = "default") -> Path:
        """Write a kubeconfig to ``path``, which is returned."""
        context = {"cluster": "test", "user": "test", "namespace": namespace}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {"token": token} if token else {}}],
            "contexts": [{"name": "test", "context": context}],
        }
        path.write_text(yaml.safe_dump(document), "utf-8")
        return path

    def install(self, path: Path, *kinds: str) -> None:
        """Create the CustomResourceDefinitions that are in a file: of these kinds, or all."""
        for definition in definitions(path):
            if not kinds or definition["spec"]["names"]["kind"] in kinds:
                self.create(definition)

    def create(self, document: Mapping[str, Any], manager: str = "test") -> Document:
        """Create an object as ``manager`` would."""
        target = self._target(document["apiVersion"], document["kind"], document["metadata"].get("namespace"))
        return self.verbs.create(target, dict(document), Options(manager=manager))

    def get(self, kind: str, name: str, namespace: str = "default") -> Document:
        """Return an object.

        Raises:
            ApiError: there is none.
        """
        return self.verbs.get(self._named(kind, name, namespace))

    def has(self, kind: str, name: str, namespace: str = "default") -> bool:
        """Return whether there is such an object."""
        try:
            self.get(kind, name, namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return True

    def all(self, kind: str, namespace: str | None = None) -> list[Document]:
        """Return all objects of a kind."""
        target = self._target(None, kind, namespace)
        return self.storage.all(target.kind.key, namespace)[1]

    def edit(
        self,
        kind: str,
        name: str,
        patch: Mapping[str, Any],
        namespace: str = "default",
        manager: str = "kubectl-edit",
    ) -> Document:
        """Change an object by a merge patch, as a person with kubectl would."""
        target = self._named(kind, name, namespace)
        body = json.dumps(patch).encode()
        return self.verbs.patch(target, "application/merge-patch+json", body, Options(manager=manager))

    def edit_status(
        self,
        kind: str,
        name: str,
        status: Mapping[str, Any],
        namespace: str = "default",
        manager: str = "test",
    ) -> Document:
        """Change an object's status by a merge patch."""
        target = replace(self._named(kind, name, namespace), subresource="status")
        body = json.dumps({"status": status}).encode()
        return self.verbs.patch(target, "application/merge-patch+json", body, Options(manager=manager))

    def apply(
        self,
        document: Mapping[str, Any],
        manager: str,
        *,
        force: bool = False,
        strict: bool = False,
        subresource: str = "",
    ) -> Document:
        """Apply a document on the server, as ``manager`` would; ``strict`` refuses unknown fields."""
        metadata = document["metadata"]
        target = self._target(document["apiVersion"], document["kind"], metadata.get("namespace"))
        named = replace(target, name=metadata["name"], subresource=subresource)
        options = Options(manager=manager, force=force, validation="Strict" if strict else "Warn")
        return self.verbs.apply(named, dict(document), options)

    def settle(self, name: str, namespace: str = "default", ready: int | None = None) -> Document:
        """Bring the status to ``ready`` pods (by default all), as the Deployment controller does."""
        document = self.get("Deployment", name, namespace)
        wanted = document["spec"]["replicas"]
        count = wanted if ready is None else ready
        status = {
            "observedGeneration": document["metadata"]["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": count,
            "availableReplicas": count,
        }
        of_status = replace(self._named("Deployment", name, namespace), subresource="status")
        return self.verbs.update(
            of_status, {**document, "status": status}, Options(manager="kube-controller-manager")
        )

    def delete(self, kind: str, name: str, namespace: str = "default") -> None:
        """Delete an object."""
        self.verbs.delete(self._named(kind, name, namespace), {}, Options())

    def grant(self, token: str, roles: Sequence[Mapping[str, Any]]) -> None:
        """Let the bearer of ``token`` do what these Roles and ClusterRoles say, and nothing else."""
        self.access.roles[token] = roles

    def fail(self, fault: Fault) -> None:
        """Let something go wrong with coming requests."""
        self.server.faults.append(fault)

    def compact(self) -> None:
        """Forget the past, as the server does after some minutes: old watches get 410."""
        self.storage.compact()

    def stop(self) -> None:
        """Go down; what is stored is kept."""
        self.server.stop()

    def start(self) -> None:
        """Come back on the same port."""
        self.server.start()

    def _named(self, kind: str, name: str, namespace: str) -> Target:
        target = self._target(None, kind, namespace)
        return replace(target, name=name)

    def _target(self, api_version: str | None, kind: str, namespace: str | None) -> Target:
        for found in self.registry:
            version = (api_version or "").rpartition("/")[2] or next(iter(found.schemas))
            if found.name == kind and api_version in (None, found.api_version(version)):
                return Target(found, version, (namespace or "default") if found.namespaced else "")
        message = f"the test's API server has no kind {api_version} {kind}: install its CRD"
        raise LookupError(message)

"""What a request is about, and which part of an object it may change."""

from dataclasses import dataclass, field
from typing import Any

from tests.support.kubeapi.fields import METADATA_SCHEMA
from tests.support.kubeapi.kinds import Kind
from tests.support.kubeapi.problem import invalid
from tests.support.kubeapi.schema import Schema
from tests.support.kubeapi.storage import Name

Object = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What a request is about. ``name`` is empty for a whole collection."""

    kind: Kind
    version: str
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def schema(self) -> Schema:
        """The kind's schema with the parts of ``metadata`` that merge by key."""
        schema = self.kind.schemas[self.version]
        properties = {**schema.get("properties", {}), "metadata": METADATA_SCHEMA}
        return {**schema, "properties": properties} if "properties" in schema else schema

    @property
    def place(self) -> Name:
        return (self.namespace, self.name)

    @property
    def api_version(self) -> str:
        return self.kind.api_version(self.version)


@dataclass(frozen=True)
class Options:
    """The query of a write."""

    manager: str = "unknown"
    force: bool = False
    dry_run: bool = False
    validation: str = "Warn"
    warnings: list[str] = field(default_factory=list)


def shown(target: Target, document: Object) -> Object:
    """Return a document in the version that was asked for."""
    return {**document, "apiVersion": target.api_version, "kind": target.kind.name}


def stanza(target: Target, config: Object) -> Object:
    """Return the part of an applied configuration that this endpoint looks at."""
    if target.subresource == "status":
        return {
            key: value for key, value in config.items() if key in ("apiVersion", "kind", "metadata", "status")
        }
    return {key: value for key, value in config.items() if not (key == "status" and target.kind.status)}


def merged_stanzas(target: Target, live: Object, body: Object) -> Object:
    """Return what an update makes: /status changes the status alone, the rest everything but it."""
    if target.subresource == "status":
        rest = {key: value for key, value in live.items() if key != "status"}
        managed = {"metadata": {**live["metadata"], **_managed(body)}}
        return {**rest, **managed, **({"status": body["status"]} if "status" in body else {})}
    if not target.kind.status:
        return dict(body)
    rest = {key: value for key, value in body.items() if key != "status"}
    return {**rest, **({"status": live["status"]} if "status" in live else {})}


def _managed(body: Object) -> Object:
    return {key: value for key, value in body.get("metadata", {}).items() if key == "managedFields"}


def keep_system_fields(new: Object, live: Object) -> None:
    """Put back what no client may change."""
    kept = ("name", "namespace", "uid", "creationTimestamp", "generation", "resourceVersion")
    deletion = ("deletionTimestamp", "deletionGracePeriodSeconds")
    for name in (*kept, *deletion):
        new["metadata"].pop(name, None)
        if name in live["metadata"]:
            new["metadata"][name] = live["metadata"][name]
    added = set(new["metadata"].get("finalizers", ())) - set(live["metadata"].get("finalizers", ()))
    if added and "deletionTimestamp" in live["metadata"]:
        forbidden = "no new finalizers can be added if the object is being deleted, found new finalizers"
        problem = ("metadata.finalizers", f"Forbidden: {forbidden} {sorted(added)}")
        raise invalid(str(live.get("kind", "")), new["metadata"]["name"], [problem])


def spec_part(target: Target, document: Object) -> Object:
    """Return what the generation counts the changes of."""
    left_out = ("metadata", "apiVersion", "kind", *(("status",) if target.kind.status else ()))
    return {key: value for key, value in document.items() if key not in left_out}


def same(live: Object, new: Object) -> bool:
    ours = ("apiVersion", "kind")
    return {k: v for k, v in live.items() if k not in ours} == {k: v for k, v in new.items() if k not in ours}

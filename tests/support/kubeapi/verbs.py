"""What can be done with an object: create, read, update, patch, apply, delete."""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.kubeapi import managers, patches
from tests.support.kubeapi.admission import admit, admit_definition, check
from tests.support.kubeapi.clone import clone
from tests.support.kubeapi.kinds import Registry, from_definition
from tests.support.kubeapi.managers import Writer
from tests.support.kubeapi.problem import (
    ApiError,
    already_exists,
    bad_request,
    conflict,
    invalid,
    not_found,
    unsupported,
)
from tests.support.kubeapi.schema import Json
from tests.support.kubeapi.storage import Storage
from tests.support.kubeapi.target import (
    Options,
    Target,
    keep_system_fields,
    merged_stanzas,
    same,
    shown,
    spec_part,
    stanza,
)

Object = dict[str, Any]
APPLY = "application/apply-patch+yaml"


@dataclass
class Verbs:
    """The server without HTTP. ``now`` returns the time as the API writes it."""

    registry: Registry
    storage: Storage
    now: Callable[[], str]

    def get(self, target: Target) -> Object:
        document = self.storage.get(target.kind.key, target.place)
        if document is None:
            raise not_found(target.kind.full_name, target.name)
        return shown(target, document)

    def create(self, target: Target, body: Object, options: Options) -> Object:
        """POST: the name stands in the body, or is made from ``generateName``."""
        metadata = body.get("metadata") or {}
        name = metadata.get("name") or self._generated(metadata)
        if metadata.get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise ApiError(500, "InternalError", message)
        with self.storage.lock:
            target = Target(target.kind, target.version, target.namespace, name)
            if self.storage.get(target.kind.key, target.place) is not None:
                raise already_exists(target.kind.full_name, name)
            fresh = self._newborn(target, {**body, "metadata": {**metadata, "name": name}}, options)
            empty: Object = {"metadata": {}}
            owned = managers.updated(target.schema, empty, fresh, self._writer(target, "Update", options))
            return self._store(target, None, owned, options)

    def _generated(self, metadata: Mapping[str, Any]) -> str:
        prefix = metadata.get("generateName")
        if not prefix:
            message = "name or generateName is required"
            raise ApiError(422, "Invalid", message)
        return f"{prefix}{uuid.uuid4().hex[:5]}"

    def _newborn(self, target: Target, body: Object, options: Options) -> Object:
        self._need_namespace(target)
        content = {key: value for key, value in body.items() if not (key == "status" and target.kind.status)}
        document = admit(target, content, options)
        document["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": self.now()}
        document["metadata"] |= {"generation": 1} if target.kind.counted else {}
        document["metadata"] |= {"namespace": target.namespace} if target.kind.namespaced else {}
        check(target, document)
        return document

    def _need_namespace(self, target: Target) -> None:
        if target.kind.namespaced and self.storage.get(("", "namespaces"), ("", target.namespace)) is None:
            kind = "namespaces"
            raise not_found(kind, target.namespace)

    def update(self, target: Target, body: Object, options: Options) -> Object:
        """PUT: replaces what is there, if it is still what the caller has seen."""
        with self.storage.lock:
            live = self._live(target)
            self._need_current(target, live, body.get("metadata") or {}, blind=target.kind.blind_update)
            return self._replace(target, live, body, options, "Update")

    def patch(self, target: Target, content_type: str, body: bytes, options: Options) -> Object:
        """PATCH in any of the four forms."""
        if content_type == APPLY:
            return self.apply(target, yaml.safe_load(body), options)
        with self.storage.lock:
            live = self._live(target)
            new = self._patched(target, live, content_type, json.loads(body))
            self._need_current(target, live, new.get("metadata") or {}, blind=True)
            return self._replace(target, live, new, options, "Update")

    def _patched(self, target: Target, live: Object, content_type: str, body: Json) -> Object:
        shown_live = shown(target, live)
        match content_type:
            case "application/merge-patch+json":
                return dict(patches.merge_patch(shown_live, body))
            case "application/json-patch+json":
                return dict(patches.json_patch(shown_live, body))
            case "application/strategic-merge-patch+json" if not target.kind.custom:
                return dict(patches.strategic_merge_patch(target.schema, shown_live, body))
            case _:
                raise unsupported(content_type)

    def apply(self, target: Target, config: Object, options: Options) -> Object:
        """Server-side apply; creates the object if there is none."""
        if options.manager == "unknown":
            needed = "fieldManager: Required value: is required for apply patch"
            message = f'PatchOptions.meta.k8s.io "" is invalid: {needed}'
            raise ApiError(422, "Invalid", message)
        metadata = config.get("metadata") or {}
        if "managedFields" in metadata:
            message = "metadata.managedFields must be nil"
            raise bad_request(message)
        with self.storage.lock:
            live = self.storage.get(target.kind.key, target.place)
            if live is None:
                return self._apply_new(target, config, options)
            self._need_current(target, live, metadata, blind=True)
            wanted = admit(target, stanza(target, config), options, partial=True)
            writer = self._writer(target, "Apply", options)
            merged = managers.applied(target.schema, live, wanted, writer, force=options.force)
            return self._replace(target, live, merged, options, None)

    def _apply_new(self, target: Target, config: Object, options: Options) -> Object:
        if target.subresource:
            raise not_found(target.kind.full_name, target.name)
        metadata = {**(config.get("metadata") or {}), "name": target.name}
        if metadata.pop("resourceVersion", None):
            raise conflict(target.kind.full_name, target.name)
        wanted = admit(target, stanza(target, {**config, "metadata": metadata}), options, partial=True)
        fresh = self._newborn(target, {**config, "metadata": metadata}, options)
        writer = self._writer(target, "Apply", options)
        return self._store(
            target, None, managers.applied(target.schema, fresh, wanted, writer, force=True), options
        )

    def _live(self, target: Target) -> Object:
        live = self.storage.get(target.kind.key, target.place)
        if live is None:
            raise not_found(target.kind.full_name, target.name)
        return live

    def _need_current(
        self, target: Target, live: Object, metadata: Mapping[str, Any], *, blind: bool
    ) -> None:
        seen = metadata.get("resourceVersion")
        if seen is None and not blind:
            problem = ("metadata.resourceVersion", "Invalid value: 0x0: must be specified for an update")
            raise invalid(target.kind.full_name, target.name, [problem])
        if seen is not None and seen != live["metadata"]["resourceVersion"]:
            raise conflict(target.kind.full_name, target.name)
        if metadata.get("uid", live["metadata"]["uid"]) != live["metadata"]["uid"]:
            uids = (metadata["uid"], live["metadata"]["uid"])
            why = "Precondition failed: UID in precondition: {}, UID in object meta: {}".format(*uids)
            raise conflict(target.kind.full_name, target.name, why)

    def _replace(
        self, target: Target, live: Object, body: Object, options: Options, operation: str | None
    ) -> Object:
        if body.get("metadata", {}).get("name", target.name) != target.name:
            seen = body["metadata"]["name"]
            message = f"the name of the object ({seen}) does not match the name on the URL ({target.name})"
            raise bad_request(message)
        content = merged_stanzas(target, live, body)
        new = admit(target, content, options)
        keep_system_fields(new, live)
        if spec_part(target, new) != spec_part(target, live) and target.kind.counted:
            new["metadata"]["generation"] = live["metadata"]["generation"] + 1
        check(target, new, live)
        if operation is not None:
            new = managers.updated(target.schema, live, new, self._writer(target, operation, options))
        return self._store(target, live, new, options)

    def _writer(self, target: Target, operation: str, options: Options) -> Writer:
        return Writer(options.manager, operation, target.api_version, self.now(), target.subresource)

    def _store(self, target: Target, live: Object | None, new: Object, options: Options) -> Object:
        if live is not None and same(live, new):
            return shown(target, live)
        if options.dry_run:
            return shown(target, new)
        if target.kind.name == "CustomResourceDefinition":
            new = admit_definition(new)
            self.registry.add(from_definition(new))
        stored = self.storage.put(target.kind.key, target.place, new)
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            stored = self._remove(target)
        return shown(target, stored)

    def delete(self, target: Target, body: Mapping[str, Any], options: Options) -> Object:
        """DELETE: at once, or when the last finalizer is gone."""
        with self.storage.lock:
            live = self._live(target)
            wanted = body.get("preconditions") or {}
            self._need_current(target, live, wanted, blind=True)
            if options.dry_run:
                return shown(target, live)
            if not live["metadata"].get("finalizers"):
                return shown(target, self._remove(target))
            if "deletionTimestamp" in live["metadata"]:
                return shown(target, live)
            dying = clone(live)
            dying["metadata"] |= {"deletionTimestamp": self.now(), "deletionGracePeriodSeconds": 0}
            if target.kind.counted:
                dying["metadata"]["generation"] += 1
            return shown(target, self.storage.put(target.kind.key, target.place, dying))

    def _remove(self, target: Target) -> Object:
        last = self.storage.remove(target.kind.key, target.place)
        if target.kind.name == "CustomResourceDefinition":
            self.registry.drop(from_definition(last))
        return last

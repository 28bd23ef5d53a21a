"""Whose an object on the cluster is, and whether somebody changed what is ours: from its managed fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mesh.cluster.read import called

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
HOLDER: Final = "bertmesh.dev/rollout"
"""Annotation: the ModelRollout that an object serves."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Drift:
    """Somebody changed what is ours: which object, who, and which fields."""

    what: str
    writers: tuple[str, ...]
    fields: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what} was changed by {', '.join(self.writers)} ({', '.join(self.fields)})"


def owners(live: Document, manager: str, holder: str) -> tuple[str, ...]:
    """Return who owns an object, if not we: nobody means that it is ours.

    It is ours if we applied it before, or if its label says so (backups lose the managed fields), unless it
    serves another ModelRollout.
    """
    metadata = live["metadata"]
    held = metadata.get("annotations", {}).get(HOLDER, holder)
    if held != holder:
        return (f"ModelRollout {held}",)
    entries = metadata.get("managedFields", ())
    applied = any(entry["manager"] == manager and entry["operation"] == "Apply" for entry in entries)
    label = metadata.get("labels", {}).get(MANAGED_BY)
    if applied or label == manager:
        return ()
    named = [label] if label else []
    writers = [entry["manager"] for entry in entries if "f:spec" in entry.get("fieldsV1", {})]
    return tuple(dict.fromkeys(named + writers)) or ("somebody who left no name",)


def owned(document: Document, live: Document | None, service: Document) -> dict[str, Any]:
    """Return the document as one that goes with the Service, if it is new or did so before.

    What was there before us is not ours to let go.
    """
    uid = service.get("metadata", {}).get("uid")
    known = live["metadata"].get("ownerReferences", ()) if live is not None else ()
    if not uid or (live is not None and not any(each["uid"] == uid for each in known)):
        return dict(document)
    reference = {"apiVersion": "v1", "kind": "Service", "name": service["metadata"]["name"], "uid": uid}
    return {**document, "metadata": {**document["metadata"], "ownerReferences": [reference]}}


def drift(live: Document, wanted: Document, manager: str) -> Drift | None:
    """Return who took which of our spec's fields, if anybody did."""
    taken: dict[str, list[str]] = {}
    for name in wanted["spec"]:
        holders = _holders(live, name)
        if name in live.get("spec", {}) and manager not in holders:
            taken[name] = holders
    if not taken:
        return None
    writers = dict.fromkeys(writer for holders in taken.values() for writer in holders)
    return Drift(
        called(wanted),
        tuple(writers) or ("somebody who left no name",),
        tuple(f"spec.{name}" for name in taken),
    )


def _holders(live: Document, name: str) -> list[str]:
    return [
        entry["manager"]
        for entry in live["metadata"].get("managedFields", ())
        if f"f:{name}" in entry.get("fieldsV1", {}).get("f:spec", {})
    ]


def holds(live: Any, wanted: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether ``live`` has all of ``wanted``; the API server's own defaults may stand beside it."""
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            key in live and holds(live[key], inner) for key, inner in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(holds(one, other) for one, other in zip(live, wanted, strict=True))
        )
    return bool(live == wanted)

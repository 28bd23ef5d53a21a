"""Who manages which field: ``metadata.managedFields``, for updates and for server-side apply."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.kubeapi.fields import (
    Fields,
    Path,
    changed,
    from_v1,
    merge,
    owned_leaves,
    remove,
    spoken,
    to_v1,
)
from tests.support.kubeapi.problem import ApiError
from tests.support.kubeapi.schema import Schema

Object = dict[str, Any]


@dataclass(frozen=True)
class Writer:
    """Who writes, how, and when. ``stanza`` is ``status`` for the status subresource."""

    manager: str
    operation: str
    api_version: str
    time: str
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.manager, self.operation, self.subresource)

    @property
    def stanza(self) -> str | None:
        return "status" if self.subresource == "status" else None

    def entry(self, fields: Fields) -> Object:
        """The entry in ``managedFields``."""
        told = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_v1(fields),
        }
        return told | ({"subresource": self.subresource} if self.subresource else {})


Managers = dict[tuple[str, str, str], tuple[Writer, Fields]]


def read(document: Mapping[str, Any]) -> Managers:
    found: Managers = {}
    for entry in document.get("metadata", {}).get("managedFields", ()):
        writer = Writer(
            entry["manager"],
            entry["operation"],
            entry["apiVersion"],
            entry["time"],
            entry.get("subresource", ""),
        )
        found[writer.key] = (writer, from_v1(entry["fieldsV1"]))
    return found


def write(document: Object, managers: Managers) -> Object:
    """Return ``document`` with these managers; those that own nothing are left out."""
    entries = [writer.entry(fields) for writer, fields in managers.values() if fields]
    metadata = {key: value for key, value in document["metadata"].items() if key != "managedFields"}
    return {**document, "metadata": {**metadata, "managedFields": entries} if entries else metadata}


def updated(schema: Schema, old: Object, new: Object, writer: Writer) -> Object:
    """Return ``new`` with the fields that this update changed given to ``writer``."""
    written, gone = changed(owned_leaves(schema, old), owned_leaves(schema, new))
    managers = _take_from_others(read(old), writer, written | gone)
    before = managers.get(writer.key, (writer, frozenset()))
    if written or gone:
        managers[writer.key] = (writer, (before[1] | written) - gone)
    return write(new, managers)


def _take_from_others(managers: Managers, writer: Writer, fields: Fields) -> Managers:
    return {
        key: (other, owned if key == writer.key else owned - fields)
        for key, (other, owned) in managers.items()
    }


def applied(schema: Schema, live: Object, config: Object, writer: Writer, *, force: bool) -> Object:
    """Return ``live`` with ``config`` applied by ``writer``.

    Raises:
        ApiError: 409, when a field that changes belongs to somebody else and ``force`` is not said.
    """
    managers = read(live)
    wanted = frozenset(owned_leaves(schema, config, writer.stanza))
    merged = _pruned(schema, merge(schema, live, config), managers, writer, wanted)
    written, gone = changed(owned_leaves(schema, live), owned_leaves(schema, merged))
    conflicts = _conflicts(managers, writer, written & wanted)
    if conflicts and not force:
        raise _conflict(conflicts)
    managers = _take_from_others(managers, writer, written | gone)
    before = managers.get(writer.key)
    # A time stamp alone is no change: an apply that changes nothing writes nothing.
    same = before is not None and before[1] == wanted and not written and not gone
    managers[writer.key] = (before[0] if before is not None and same else writer, wanted)
    return write(merged, managers)


def _pruned(schema: Schema, merged: Object, managers: Managers, writer: Writer, wanted: Fields) -> Object:
    """Take out what ``writer`` applied before, does not apply now, and nobody else owns."""
    _, before = managers.get(writer.key, (writer, frozenset()))
    others = [owned for key, (_, owned) in managers.items() if key != writer.key]
    gone = frozenset(path for path in before - wanted if not any(_touches(owned, path) for owned in others))
    found: Object = remove(schema, merged, gone)
    return {**found, "metadata": found.get("metadata", {})}


def _touches(owned: Fields, path: Path) -> bool:
    return any(other[: len(path)] == path for other in owned)


def _conflicts(managers: Managers, writer: Writer, fields: Fields) -> list[tuple[Writer, Path]]:
    return sorted(
        (
            (other, path)
            for key, (other, owned) in managers.items()
            if key != writer.key
            for path in owned & fields
        ),
        key=lambda found: (found[0].manager, found[1]),
    )


def _conflict(conflicts: list[tuple[Writer, Path]]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{other.manager}"' + f" using {other.api_version}",
            "field": spoken(path),
        }
        for other, path in conflicts
    ]
    count = len(causes)
    told = "; ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    message = f"Apply failed with {count} conflict{'s' if count > 1 else ''}: {told}"
    return ApiError(409, "Conflict", message, causes)

"""Field sets: which fields an object has, how they differ, and how server-side apply merges them.

A path is a tuple of steps in the spelling of ``fieldsV1``: ``f:spec``, ``k:{"type":"Ready"}``, ``v:"item"``.
What is merged follows structured-merge-diff: https://github.com/kubernetes-sigs/structured-merge-diff.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.support.kubeapi.schema import ANY, Json, Schema, child, item_key, items, list_type

Path = tuple[str, ...]
Fields = frozenset[Path]
SERVER_METADATA = frozenset(
    {
        "name", "namespace", "generateName", "uid", "resourceVersion", "generation", "creationTimestamp",
        "deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink",
    }
)  # fmt: skip
NOT_OWNED = frozenset({"apiVersion", "kind"})
METADATA_SCHEMA: Schema = {
    "properties": {
        "finalizers": {"x-kubernetes-list-type": "set"},
        "ownerReferences": {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "x-kubernetes-patch-merge-key": "uid",
        },
        "labels": {},
        "annotations": {},
    }
}


def step(schema: Schema, item: Json) -> str:
    """Return the step to an item of a list that is not atomic."""
    sign = "v" if list_type(schema) == "set" else "k"
    return f"{sign}:{json.dumps(item_key(schema, item), sort_keys=True, separators=(',', ':'))}"


def is_granular(schema: Schema, value: Json) -> bool:
    """Return whether parts of ``value`` can have owners of their own."""
    if isinstance(value, dict):
        return schema.get("x-kubernetes-map-type") != "atomic"
    return isinstance(value, list) and list_type(schema) != "atomic"


def parts(schema: Schema, value: Json) -> Iterator[tuple[str, Schema, Any]]:
    """Yield step, schema and value of each part of a granular ``value``."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"f:{key}", child(schema, key) or ANY, inner
    else:
        for item in value:
            yield step(schema, item), items(schema), item


def leaves(schema: Schema, value: Json, path: Path = ()) -> dict[Path, Any]:
    """Return all fields with their values; an item of a keyed list is a field too, with the value None."""
    if not is_granular(schema, value) or not value:
        return {path: value}
    found: dict[Path, Any] = {}
    for name, inner_schema, inner in parts(schema, value):
        here = (*path, name)
        if name.startswith("k:"):
            found[here] = None
        found |= leaves(inner_schema, inner, here)
    return found


def owned_leaves(schema: Schema, document: Mapping[str, Any], only: str | None = None) -> dict[Path, Any]:
    """Return the fields that can have an owner, of the whole or of one stanza."""
    content = {key: value for key, value in document.items() if key not in NOT_OWNED}
    metadata = content.get("metadata", {})
    content["metadata"] = {key: value for key, value in metadata.items() if key not in SERVER_METADATA}
    if only is not None:
        content = {key: value for key, value in content.items() if key == only}
    return {
        path: value for path, value in leaves(schema, content).items() if path not in ((), ("f:metadata",))
    }


def changed(old: Mapping[Path, Any], new: Mapping[Path, Any]) -> tuple[Fields, Fields]:
    """Return the fields that are new or have another value, and those that are gone."""
    written = {path for path, value in new.items() if path not in old or old[path] != value}
    return frozenset(written), frozenset(old.keys() - new.keys())


def merge(schema: Schema, live: Json, config: Json) -> Json:
    """Return ``live`` with ``config`` merged in."""
    if isinstance(live, dict) and isinstance(config, dict) and is_granular(schema, config):
        merged = dict(live)
        for key, inner in config.items():
            known = child(schema, key) or ANY
            merged[key] = merge(known, live[key], inner) if key in live else inner
        return merged
    if isinstance(live, list) and isinstance(config, list) and is_granular(schema, config):
        return _merge_items(schema, live, config)
    return config


def _merge_items(schema: Schema, live: list[Any], config: list[Any]) -> list[Any]:
    wanted = {step(schema, item): item for item in config}
    present = {step(schema, item): item for item in live}
    kept = [
        merge(items(schema), item, wanted[name]) if name in wanted else item for name, item in present.items()
    ]
    return kept + [item for name, item in wanted.items() if name not in present]


def remove(schema: Schema, value: Json, gone: Fields, path: Path = ()) -> Json:
    """Return ``value`` without the fields ``gone``; what is left empty by that goes too."""
    if not is_granular(schema, value) or not any(field[: len(path)] == path for field in gone):
        return value
    kept = [
        (name, remove(inner_schema, inner, gone, (*path, name)), inner)
        for name, inner_schema, inner in parts(schema, value)
        if (*path, name) not in gone
    ]
    left = [(name, new) for name, new, old in kept if new or new == old]
    if isinstance(value, dict):
        return {name[2:]: new for name, new in left}
    return [new for _, new in left]


def to_v1(fields: Iterable[Path]) -> dict[str, Any]:
    """Return a field set as ``fieldsV1``."""
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        here = tree
        for name in path:
            here = here.setdefault(name, {})
        here["."] = {}
    return _without_lone_dots(tree)


def _without_lone_dots(tree: dict[str, Any]) -> dict[str, Any]:
    if tree.keys() == {"."}:
        return {}
    return {name: _without_lone_dots(inner) if name != "." else {} for name, inner in tree.items()}


def from_v1(tree: Mapping[str, Any], path: Path = ()) -> Fields:
    """Return the field set that ``fieldsV1`` says."""
    if not tree:
        return frozenset({path}) if path else frozenset()
    found = {path} if "." in tree else set()
    for name, inner in tree.items():
        if name != ".":
            found |= from_v1(inner, (*path, name))
    return frozenset(found)


def spoken(path: Path) -> str:
    """Return a path as the server says it: ``.spec.containers[name="bert"].image``."""
    words = []
    for name in path:
        sign, _, rest = name.partition(":")
        if sign == "f":
            words.append(f".{rest}")
        elif sign == "v":
            words.append(f"[={rest}]")
        else:
            keys = json.loads(rest).items()
            words.append("[" + ",".join(f"{key}={json.dumps(value)}" for key, value in keys) + "]")
    return "".join(words)

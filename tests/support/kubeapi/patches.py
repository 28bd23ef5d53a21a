"""The three kinds of patch besides apply."""

from collections.abc import Mapping
from typing import Any

from tests.support.kubeapi.clone import clone
from tests.support.kubeapi.problem import ApiError, bad_request
from tests.support.kubeapi.schema import ANY, Json, Schema, child, items


def merge_patch(value: Json, patch: Json) -> Json:
    """RFC 7386: null removes, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, inner in patch.items():
        if inner is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), inner)
    return merged


def json_patch(value: Json, operations: Json) -> Json:
    """RFC 6902, as far as controllers use it: add, remove, replace, test."""
    if not isinstance(operations, list):
        message = "json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        raise bad_request(message)
    patched = clone(value)
    for operation in operations:
        patched = _operate(patched, operation)
    return patched


def _operate(value: Json, operation: Mapping[str, Any]) -> Json:
    path = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    parent = value
    try:
        for part in path[:-1]:
            parent = parent[int(part) if isinstance(parent, list) else part]
        last: Json = path[-1]
        if isinstance(parent, list):
            last = len(parent) if last == "-" else int(last)
        _change(parent, last, operation)
    except (KeyError, IndexError, ValueError) as error:
        message = f"the server rejected our request due to an error in our request: {operation}"
        raise ApiError(422, "Invalid", message) from error
    return value


def _change(parent: Json, last: Json, operation: Mapping[str, Any]) -> None:
    match operation["op"]:
        case "add" if isinstance(parent, list):
            parent.insert(last, operation["value"])
        case "add":
            parent[last] = operation["value"]
        case "replace":
            parent[last]
            parent[last] = operation["value"]
        case "remove":
            del parent[last]
        case "test":
            if parent[last] != operation["value"]:
                raise ValueError(last)
        case other:
            message = f"operation {other!r} is not one of add, remove, replace, test"
            raise bad_request(message)


def strategic_merge_patch(schema: Schema, value: Json, patch: Json) -> Json:
    """Kubernetes' own: lists with a merge key merge by it; ``$patch: delete`` and ``replace`` are known."""
    if isinstance(patch, dict) and isinstance(value, dict):
        if patch.get("$patch") == "replace":
            return {key: inner for key, inner in patch.items() if key != "$patch"}
        return _merge_map(schema, value, patch)
    if isinstance(patch, list) and isinstance(value, list) and "x-kubernetes-patch-merge-key" in schema:
        return _merge_list(schema, value, patch)
    if (
        isinstance(patch, list)
        and isinstance(value, list)
        and schema.get("x-kubernetes-patch-strategy") == "merge"
    ):
        return value + [item for item in patch if item not in value]
    return patch


def _merge_map(schema: Schema, value: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    merged = dict(value)
    for key, inner in patch.items():
        if key.startswith("$"):
            continue
        if inner is None:
            merged.pop(key, None)
        else:
            merged[key] = strategic_merge_patch(child(schema, key) or ANY, merged.get(key), inner)
    return merged


def _merge_list(schema: Schema, value: list[Any], patch: list[Any]) -> list[Any]:
    name = schema["x-kubernetes-patch-merge-key"]
    deleted = [item[name] for item in patch if item.get("$patch") == "delete"]
    wanted = {item[name]: item for item in patch if "$patch" not in item}
    kept = [
        strategic_merge_patch(items(schema), item, wanted.pop(item.get(name), {}))
        for item in value
        if item.get(name) not in deleted
    ]
    return kept + list(wanted.values())

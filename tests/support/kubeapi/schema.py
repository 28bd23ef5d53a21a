"""Reading a schema: a CRD's structural one, or the published one of a built-in kind."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft4Validator, FormatChecker, ValidationError, validators

Json = Any
"""Any JSON value."""
Schema = Mapping[str, Any]
ANY: Schema = {}
"""Says nothing: maps are merged by key, lists are atomic."""
FORMATS = FormatChecker(formats=())
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")


@FORMATS.checks("date-time")
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(TIME.fullmatch(value))


@FORMATS.checks("micro-time")
def _is_micro_time(value: object) -> bool:
    """The times in a Lease: Go reads them with six digits of a second, neither more nor less."""
    return not isinstance(value, str) or bool(MICRO_TIME.fullmatch(value))


def child(schema: Schema, key: str) -> Schema | None:
    """Return the schema of a field, or None if there is no such field."""
    properties = schema.get("properties", {})
    if key in properties:
        found: Schema = properties[key]
        return found
    more = schema.get("additionalProperties")
    if isinstance(more, Mapping):
        return more
    return ANY if more or is_open(schema) else None


def is_open(schema: Schema) -> bool:
    """Return whether fields that the schema does not name are kept."""
    unnamed = "properties" not in schema and "additionalProperties" not in schema
    return bool(schema.get("x-kubernetes-preserve-unknown-fields")) or unnamed


def items(schema: Schema) -> Schema:
    found: Schema = schema.get("items", ANY)
    return found


def prune(schema: Schema, value: Json, path: str = "") -> tuple[Any, list[str]]:
    """Return ``value`` without nulls and what the schema does not know, and the paths of the unknown."""
    if isinstance(value, list):
        cleaned = [prune(items(schema), item, f"{path}[{i}]") for i, item in enumerate(value)]
        return [item for item, _ in cleaned], [name for _, names in cleaned for name in names]
    if not isinstance(value, dict):
        return value, []
    kept: dict[str, Any] = {}
    unknown: list[str] = []
    for key, inner in value.items():
        here = f"{path}.{key}" if path else key
        known = child(schema, key)
        if known is None:
            unknown.append(here)
        elif inner is not None or known.get("nullable"):
            kept[key], below = prune(known, inner, here)
            unknown += below
    return kept, unknown


def fill_defaults(schema: Schema, value: Json) -> Json:
    """Return ``value`` with the schema's defaults where fields are absent."""
    if isinstance(value, list):
        return [fill_defaults(items(schema), item) for item in value]
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for key, inner in schema.get("properties", {}).items():
        if key not in filled and "default" in inner:
            filled[key] = inner["default"]
    return {key: fill_defaults(child(schema, key) or ANY, inner) for key, inner in filled.items()}


def problems(schema: Schema, value: Json) -> Iterator[tuple[str, str]]:
    """Yield the path of each field at fault and what is wrong, cross-field rules (CEL) apart."""
    # The built-in kinds' schemas call a bool no integer; so does Draft 4.
    for error in STRUCTURAL(schema, format_checker=FORMATS).iter_errors(value):
        yield dotted(error.absolute_path), _words(error)
    yield from _repeated(schema, value, "")


def _words(error: ValidationError) -> str:
    if error.validator == "required":
        return f"Required value: {error.message}"
    return f"Invalid value: {error.message}"


def dotted(path: Json) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "<nil>"


def _repeated(schema: Schema, value: Json, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _repeated(child(schema, key) or ANY, inner, f"{path}.{key}".removeprefix("."))
    if isinstance(value, list):
        seen: list[Any] = []
        for i, item in enumerate(value):
            key = item_key(schema, item)
            if key is not None and key in seen:
                yield f"{path}[{i}]", f"Duplicate value: {key}"
            seen.append(key)
            yield from _repeated(items(schema), item, f"{path}[{i}]")


def item_key(schema: Schema, item: Json) -> Json:
    """Return what tells an item of a list from the others, or None where the list is atomic."""
    match list_type(schema):
        case "set":
            return item
        case "map":
            fields = items(schema).get("properties", {})
            names = schema["x-kubernetes-list-map-keys"]
            return {name: item.get(name, fields.get(name, {}).get("default")) for name in names}
        case _:
            return None


def list_type(schema: Schema) -> str:
    found: str = schema.get("x-kubernetes-list-type", "atomic")
    return found


def _type(validator: Json, types: Json, instance: Json, schema: Schema) -> Iterator[ValidationError]:
    if schema.get("x-kubernetes-int-or-string") or (instance is None and schema.get("nullable")):
        return
    wanted = [types] if isinstance(types, str) else types
    if not any(validator.is_type(instance, name) for name in wanted):
        yield ValidationError(f"{instance!r} must be of type {' or '.join(wanted)}")


STRUCTURAL: Json = validators.extend(Draft4Validator, {"type": _type})  # type: ignore[no-untyped-call] # jsonschema

"""values.schema.json: closed, so that a misspelt key is refused, and with a description everywhere."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chart.errors import Undocumented
from chart.values import Field

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""What Helm 3 and 4 both understand."""
TYPES: Final[Sequence[tuple[type, str]]] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)

Schema = dict[str, Any]


def schema(fields: Sequence[Field]) -> Schema:
    """Return the schema of a chart's values.

    Raises:
        Undocumented: nothing says what a value may be.
    """
    sections = {field.name: field for field in fields}
    whole = {"$schema": DRAFT, "title": "Values of the chart bertmesh", "type": "object"}
    properties = {field.name: _property(field, sections) for field in fields}
    return {**whole, **_needed(fields), "additionalProperties": False, "properties": properties}


def _property(field: Field, sections: Mapping[str, Field], *, whole: bool = True) -> Schema:
    """Return the schema of a value; ``whole`` says that defaults fill up what is not said."""
    said = {"description": field.description} if field.description else {}
    if field.fields:
        closed = not field.hints.get("open", False)
        properties = {inner.name: _property(inner, sections, whole=whole) for inner in field.fields}
        needed = _needed(field.fields) if whole else {}
        closing = {"additionalProperties": not closed, "properties": properties}
        return {**said, "type": "object", **needed, **closing}
    found = {**_type(field), **_closed(field.hints, sections)}
    return {**said, **found}


def _needed(fields: Sequence[Field]) -> Schema:
    """Return which keys must be there: Helm takes a key with null away, default and all."""
    needed = [field.name for field in fields if "null" not in field.hints.get("type", ())]
    return {"required": needed} if needed else {}


def _type(field: Field) -> Schema:
    if "type" in field.hints or "enum" in field.hints:
        return {}
    for kind, name in TYPES:
        if isinstance(field.default, kind):
            return {"type": name}
    raise Undocumented(field.key, "@schema type")


def _closed(hints: Mapping[str, Any], sections: Mapping[str, Field]) -> Schema:
    """Return the hints with every object closed that lists its properties."""
    found: Schema = {}
    for name, value in hints.items():
        if name == "merge":
            continue
        if name == "properties":
            found[name] = {key: _closed(inner, sections) for key, inner in value.items()}
        else:
            found[name] = _closed(value, sections) if name == "items" else value
    if "merge" in hints:
        below = sections[hints["merge"]].fields
        merged = {field.name: _property(field, sections, whole=False) for field in below}
        found["properties"] = {**found.get("properties", {}), **merged}
    if "properties" in found:
        found.setdefault("additionalProperties", False)
    return found

"""From the models of a resource to the structural schema that a CRD wants.

The rules of structural schemas: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
custom-resource-definitions/#specifying-a-structural-schema - one type everywhere, no references, nothing
that says no to extra fields (those are pruned or refused by the API server itself).
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

Schema = dict[str, Any]
DROPPED: Final = frozenset({"title", "additionalProperties", "$defs"})
FORMATS: Final[Mapping[str, str]] = {"integer": "int64", "number": "double"}


class NotStructural(TypeError):
    """A model that no structural schema can describe: a mistake in this package, found by its tests."""


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the structural schema of ``model``.

    Raises:
        NotStructural: a field is a union of several types.
    """
    schema = model.model_json_schema(by_alias=True, mode="serialization")
    return _structural(schema, schema.get("$defs", {}))


def _structural(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Schema:
    flat = _resolve(schema, known)
    kept = {key: value for key, value in flat.items() if key not in DROPPED}
    if kept.get("type") in FORMATS and "enum" not in kept:
        kept.setdefault("format", FORMATS[kept["type"]])
    if "items" in kept:
        kept["items"] = _structural(kept["items"], known)
    if "properties" in kept:
        kept["properties"] = {
            name: _property(field, known, required=name in kept.get("required", ()))
            for name, field in kept["properties"].items()
        }
    return kept


def _property(field: Mapping[str, Any], known: Mapping[str, Any], *, required: bool) -> Schema:
    schema = _structural(field, known)
    if schema.get("default") in (None, []):
        # Absent means the same, and does not clutter what people read.
        schema.pop("default", None)
    if "properties" in schema:
        # The API server fills a default only into an object that is there, and asks the rules of an object
        # about its default before it fills in those below: so it holds them all. Where a part may be left out
        # altogether, nothing is filled in.
        schema.pop("default", None)
        optional = "anyOf" in field
        if not required and not optional and not schema.get("required"):
            below = schema["properties"].items()
            schema["default"] = {name: part["default"] for name, part in below if "default" in part}
    return schema


def _resolve(schema: Mapping[str, Any], known: Mapping[str, Any]) -> Schema:
    """Return ``schema`` with its reference, or the one type that is not null, put in its place."""
    here = dict(schema)
    choices = [choice for choice in here.pop("anyOf", []) if choice != {"type": "null"}]
    if len(choices) > 1:
        message = f"a field has one type, got {choices}"
        raise NotStructural(message)
    for inner in choices:
        here = {**_resolve(inner, known), **here}
    reference = here.pop("$ref", None)
    if reference is None:
        return here
    # What is said at the field (its description) is more particular than what is said at the model.
    return {**_resolve(known[reference.rpartition("/")[2]], known), **here}

"""Strict schemas for Istio documents: from a package's models, and from the CRDs where they are at hand."""

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import yaml

CRD_PATTERN = "istio-*-crd-all.gen.yaml"
GO_DURATION = re.compile(r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
SHORTEST_S = 0.001
# The models do not say which of their strings are durations; the CRDs do.
DURATIONS = {
    "baseEjectionTime",
    "connectTimeout",
    "fixedDelay",
    "idleTimeout",
    "interval",
    "maxAge",
    "maxConnectionDuration",
    "perTryTimeout",
    "time",
    "timeout",
    "ttl",
}
OBJECT = {
    "apiVersion": {"const": "networking.istio.io/v1"},
    "metadata": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "namespace": {"type": "string"}},
        "required": ["name", "namespace"],
        "additionalProperties": False,
    },
}

Schema = dict[str, Any]


def crd_file() -> Path | None:
    """Return Istio's CRDs: in the folder BERTMESH_CRDS, or in ../shared/crds beside the repository."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "crds"
    folder = Path(os.environ.get("BERTMESH_CRDS", beside))
    return next(iter(sorted(folder.glob(CRD_PATTERN))), None)


@cache
def model_schema(kind: str) -> Schema:
    """Return the strict schema of a kind, made from cloudcoil's models."""
    models = import_module("cloudcoil.models.istio.networking.v1")  # only now: it takes seconds
    schema = getattr(models, kind).model_json_schema(by_alias=True)
    definitions = {name: strict(part) for name, part in schema["$defs"].items()}
    return _document(kind, strict(schema["properties"]["spec"])) | {"$defs": definitions}


@cache
def crd_schema(kind: str) -> Schema:
    """Return the strict schema of a kind, made from the CRDs."""
    found = crd_file()
    assert found is not None
    for crd in yaml.load_all(found.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
        if crd and crd["spec"]["names"]["kind"] == kind:
            [version] = [version for version in crd["spec"]["versions"] if version["name"] == "v1"]
            return _document(kind, strict(version["schema"]["openAPIV3Schema"]["properties"]["spec"]))
    raise AssertionError(kind)


def _document(kind: str, spec: Schema) -> Schema:
    properties = {**OBJECT, "kind": {"const": kind}, "spec": spec}
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
    }


def strict(schema: Any) -> Any:  # noqa: ANN401 - a schema is any JSON
    """Refuse unknown fields and nulls everywhere, and mark durations."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    tight = {name: strict(part) for name, part in schema.items()}
    if "anyOf" in tight:
        # The models' way to say "optional" allows null; to give null is something else.
        options = [option for option in tight["anyOf"] if option != {"type": "null"}]
        tight = {**tight, "anyOf": options} if len(options) > 1 else options[0]
    if "properties" in schema:
        tight["properties"] = {name: _property(name, part) for name, part in tight["properties"].items()}
        if "type" in schema:  # else it is one arm of a oneOf, which speaks of some fields only
            tight.setdefault("additionalProperties", False)
    return tight


def _property(name: str, schema: Schema) -> Schema:
    rules = [rule["rule"] for rule in schema.get("x-kubernetes-validations", [])]
    if name in DURATIONS or any(rule.startswith("duration(self)") for rule in rules):
        return {"allOf": [schema], "type": "string", "duration": True}
    return schema


def _check_duration(_validator: object, _wanted: object, value: object, _schema: object) -> Iterator[Any]:
    if isinstance(value, str) and not _is_duration(value):
        yield jsonschema.ValidationError(f"{value!r} is not a duration of at least 1ms")


def _is_duration(text: str) -> bool:
    if not GO_DURATION.fullmatch(text):
        return False
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    return sum(float(number) * SECONDS[unit] for number, unit in parts) >= SHORTEST_S


Validator: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call] # it has no annotations
    jsonschema.Draft202012Validator, {"duration": _check_duration}
)


def problems(document: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return what is wrong with the document; nothing if it is valid."""
    found = Validator(schema).iter_errors(document)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]

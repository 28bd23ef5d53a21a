"""A type check of a CRD's rules, as the API server makes it: with the schema's types declared.

The types are handed to CEL's checker as messages, which is the only way it knows of fields.
"""

from collections.abc import Mapping
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped] # it has types, but no marker
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from tests.support.kubeapi.cel import list_library

Schema = Mapping[str, Any]
SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "integer": FieldDescriptorProto.TYPE_INT64,
    "number": FieldDescriptorProto.TYPE_DOUBLE,
    "boolean": FieldDescriptorProto.TYPE_BOOL,
}


def type_error(schema: Schema, rule: str) -> str | None:
    """Return what CEL's checker has against a rule of an object with this schema, if anything."""
    file = FileDescriptorProto(name="rules.proto", package="rules", syntax="proto2")
    _declare(file, "Self", schema)
    pool = DescriptorPool()
    pool.Add(file)
    itself = cel.Type("rules.Self")
    environment = cel.NewEnv(pool, variables={"self": itself, "oldSelf": itself}, functions=list_library())
    try:
        environment.compile(rule)
    except RuntimeError as error:
        return str(error)
    return None


def _declare(file: FileDescriptorProto, name: str, schema: Schema) -> None:
    message = DescriptorProto(name=name)
    for number, (field, inner) in enumerate(schema.get("properties", {}).items(), 1):
        many = inner["type"] == "array"
        one = inner["items"] if many else inner
        label = FieldDescriptorProto.LABEL_REPEATED if many else FieldDescriptorProto.LABEL_OPTIONAL
        declared = FieldDescriptorProto(name=field, number=number, label=label)
        if one["type"] in SCALARS:
            declared.type = SCALARS[one["type"]]
        else:
            below = f"{name}_{field}"
            _declare(file, below, one)
            declared.type = FieldDescriptorProto.TYPE_MESSAGE
            declared.type_name = f".rules.{below}"
        message.field.append(declared)
    file.message_type.append(message)
